"""An answer as a small file: its values as JSON, its maps as pictures of 256 shades below each map's own peak."""

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FOLDER = Path(__file__).parent
QUALITY = 90  # of WebP: 1.5 kB a map in place of 8, off by a third of a shade on average, by 12 at single points
SHADES = 255
WITHIN = 1980, 1, 1, 0, 0, 0  # the time of every entry: the same answer gives the same bytes


@dataclass(frozen=True)
class Codec:
    """Which types an answer is made of: dataclasses of numbers, texts and maps, and things that have a name."""

    types: Collection[type]
    named: Mapping[type, tuple[str, Mapping[str, Any]]]  # type → the attribute that names one, and those there are

    def pack(self, value: Any, maps: list[np.ndarray]) -> Any:
        """The value for JSON; its maps [h, w] are appended to `maps`. Raises TypeError for any other type."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (Tensor, np.ndarray)):
            maps.append(np.asarray(value))
            return {"map": len(maps) - 1, "tensor": isinstance(value, Tensor), "dtype": str(maps[-1].dtype)}
        if isinstance(value, (tuple, list)):
            return {"tuple": [self.pack(each, maps) for each in value]}
        if isinstance(value, dict):
            return {"dict": {name: self.pack(each, maps) for name, each in value.items()}}
        if type(value) in self.named:
            return {"named": type(value).__name__, "name": getattr(value, self.named[type(value)][0])}
        if is_dataclass(value) and type(value) in self.types:
            content = {field.name: self.pack(getattr(value, field.name), maps) for field in fields(value)}
            return {"type": type(value).__name__, "fields": content}
        raise TypeError(f"an answer cannot hold {type(value).__name__}")

    def unpack(self, packed: Any, maps: list[np.ndarray]) -> Any:
        """The value of what `pack` returned. Raises KeyError for a type or a name that is not known."""
        if not isinstance(packed, dict):
            return packed
        if "map" in packed:
            values = maps[packed["map"]].astype(packed["dtype"])
            return torch.from_numpy(values) if packed["tensor"] else values
        if "tuple" in packed:
            return tuple(self.unpack(each, maps) for each in packed["tuple"])
        if "dict" in packed:
            return {name: self.unpack(each, maps) for name, each in packed["dict"].items()}
        if "named" in packed:
            known = {type_.__name__: there for type_, (_, there) in self.named.items()}
            return known[packed["named"]][packed["name"]]
        types = {type_.__name__: type_ for type_ in self.types}
        return types[packed["type"]](**{name: self.unpack(each, maps) for name, each in packed["fields"].items()})


def file_of(kind: str, key: tuple, folder: Path = FOLDER) -> Path:
    """Where the answer of this key is, or would be."""
    return folder / f"{kind}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.zip"


def write(file: Path, about: dict, codec: Codec, value: Any):
    """Write an answer. about: what it is an answer to, for people. Raises ValueError for maps that are not finite."""
    maps: list[np.ndarray] = []
    packed = codec.pack(value, maps)
    content = {"about": about, "peaks": [float(each.max()) for each in maps], "answer": packed}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packet:
        packet.writestr(_entry("answer.json"), json.dumps(content, separators=(",", ":")))
        for number, each in enumerate(maps):
            packet.writestr(_entry(f"{number}.webp"), _picture(each))


def read(file: Path, codec: Codec) -> Any | None:
    """The answer in a file, its maps rounded to shades; None where there is none."""
    if not file.is_file():
        return None
    with zipfile.ZipFile(file) as packet:
        content = json.loads(packet.read("answer.json"))
        maps = [_map(packet.read(f"{number}.webp"), peak) for number, peak in enumerate(content["peaks"])]
    return codec.unpack(content["answer"], maps)


def _entry(name):
    entry = zipfile.ZipInfo(name, WITHIN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _picture(values):
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("only maps of finite evidence can be kept")
    peak = values.max()
    shades = np.rint(SHADES * values / peak if peak > 0 else values).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shades).save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def _map(picture, peak):
    """The map again: its peak as it was, whatever the picture lost."""
    shades = np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(np.float64)
    return shades * (peak / shades.max()) if peak > 0 else np.zeros_like(shades)
