"""A repository's JSON, read with limits: what it says decides how large a network becomes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from .policy import Unusable

LARGEST_INTEGER = 10**7  # of sizes; the largest in use, positions of a language model, have six digits
MOST_LAYERS = 200  # of one stage; ViT-G has 48, ResNet-152 has 36
IMAGE_SIZES = range(16, 1024 + 1)
MOST_CLASSES = 25_000  # ImageNet-21k has 21 841
MOST_NUMBERS = 500  # in one list; Swin's depths are 4, a schedule of drop rates may have one for each layer
DEEPEST = 20
_LAYERS = re.compile(r".*(num_.*(layers|blocks|stages)|depths?|.*_layers|.*_repeats|.*_depth)$")
_IMAGE_SIZE = re.compile(r"(image|img|input)_size")
_CODE = ("auto_map", "custom_code", "quantization_config", "compression_config")


def read(path: Path, most_bytes: int) -> dict:
    """A JSON object. Raises Unusable where the file is too long or no JSON object."""
    if path.stat().st_size > most_bytes:
        raise Unusable(f"its {path.name} has more than {most_bytes / 10**6:g} MB")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"its {path.name} is no valid JSON") from error
    if not isinstance(content, dict):
        raise Unusable(f"its {path.name} is no JSON object")
    return content


def check(content: dict, file: str) -> None:
    """Raises Unusable for settings that bring code along, or numbers with which no classifier is built."""
    for key, value, depth in _entries(content):
        if depth > DEEPEST:
            raise Unusable(f"its {file} is nested more than {DEEPEST} deep")
        if key in _CODE and value:
            what = "quantised weights" if key.endswith("n_config") else "code of its own"
            raise Unusable(f"it brings {what} ({key} in {file}), which is not opened here")
        _check_value(key, value, file)


def _check_value(key: str, value: object, file: str) -> None:
    if isinstance(value, (list, tuple)) and len(value) > MOST_NUMBERS and "label" not in key:
        raise Unusable(f"its {file} has {len(value)} values for {key}, and at most {MOST_NUMBERS} are read")
    for number in _numbers(value):
        if not math.isfinite(number) or abs(number) > LARGEST_INTEGER:
            raise Unusable(f"its {file} has {_short(number)} for {key}, and no classifier has such a size")
        if _LAYERS.fullmatch(key) and number > MOST_LAYERS:
            raise Unusable(f"its {file} has {_short(number)} for {key}, and at most {MOST_LAYERS} layers are built")
        if _IMAGE_SIZE.fullmatch(key) and number not in IMAGE_SIZES and not _is_channels(value, number):
            raise Unusable(f"its {file} asks for photos of {_short(number)} pixels, and 16 to 1024 can be given")


def classes_of(number: object) -> int:
    """A number of classes. Raises Unusable where it is none that can be shown."""
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST_CLASSES:
        raise Unusable(f"it says that it has {str(number)[:20]} classes, and 1 to {MOST_CLASSES} can be shown")
    return number


def _numbers(value: object) -> Iterator[float]:
    """The numbers in a value that is one, or a list of some."""
    for part in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(part, (int, float)) and not isinstance(part, bool):
            yield part


def _is_channels(value: object, number: float) -> bool:
    """Whether the number is the first of three, (channels, height, width)."""
    return isinstance(value, (list, tuple)) and len(value) == 3 and number == value[0] and number <= 3


def _entries(content: object, key: str = "", depth: int = 0) -> Iterator[tuple[str, object, int]]:
    """Every value with the key above it and how deep it lies."""
    yield key, content, depth
    if depth > DEEPEST:
        return
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _entries(value, str(name), depth + 1)
    elif isinstance(content, list):
        for value in content:
            if isinstance(value, (dict, list)):
                yield from _entries(value, key, depth + 1)


def _short(number: float) -> str:
    return str(number) if len(str(number)) <= 12 else f"{float(number):.3g}"


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
