"""The preprocessing of a transformers repository as one of ours, compared with the repository's own on three photos.

The library's image processor, built from preprocessor_config.json, knows the defaults of its kind; its fields are read
here. Pictures are resized by Pillow in both, so the results agree to rounding.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..preprocessing import FILTERS, Preprocessing
from .policy import Unusable, first_clause

TOLERANCE = 2 / 255  # of a pixel's range, which a wrong filter, crop or mean exceeds by far
SIZES = range(16, 1024 + 1)  # of the network's input
RESIZED = range(16, 2048 + 1)  # of the shorter side before the crop
PHOTOS = ((320, 411), (411, 320), (97, 61))  # height and width: wide, tall, smaller than the input
UNKNOWN = "its preprocessing is of a kind that is not known here"
_FILTERS = {int(code): name for name, code in FILTERS.items()}


def kind_of(content: dict) -> str:
    """The processor that preprocessor_config.json names, without its version; "" where it leaves it to the network's.

    Raises Unusable for one that is not known here, before the library looks it up.
    """
    name = content.get("image_processor_type") or content.get("feature_extractor_type") or ""
    kind = name.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor") if isinstance(name, str) else "?"
    if kind and kind not in _GEOMETRY:
        raise Unusable(f"{UNKNOWN} ({str(name)[:60]})")
    return kind


def preprocessing_of(folder: Path) -> Preprocessing:
    """Ours for a folder with preprocessor_config.json and config.json. Raises Unusable where it is not the same."""
    processor = _processor(folder)
    kind = type(processor).__name__.removesuffix("Pil").removesuffix("Fast")
    if kind not in _GEOMETRY:
        raise Unusable(f"{UNKNOWN} ({kind[:60]})")
    try:
        ours = dataclasses.replace(_GEOMETRY[kind](processor), **_colours(processor, kind))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unusable(UNKNOWN) from error
    check_bounds(ours)
    _check_same(ours, processor)
    return ours


def _processor(folder: Path) -> Any:
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False, backend="pil")
    except Exception as error:  # the library's, of any kind
        raise Unusable(f"{UNKNOWN} ({first_clause(error)})") from error


# ------------------------------------------------------------------------------------------------------- geometry


def _plain(processor: Any) -> Preprocessing:
    """Resize, then crop the middle if asked to."""
    return _resized(processor, processor.size.shortest_edge or (processor.size.height, processor.size.width))


def _resized(processor: Any, resized: int | tuple[int, int]) -> Preprocessing:
    """The photo resized to a shorter side, or to height and width; then cropped where the processor crops."""
    if not processor.do_resize or getattr(processor, "do_pad", None) or processor.size.longest_edge:
        raise ValueError("a photo that keeps its size")
    filter_name = _FILTERS[int(processor.resample if processor.resample is not None else 2)]
    if not getattr(processor, "do_center_crop", None):
        height, width = resized  # type: ignore[misc]  # TypeError for a shorter side: inputs of any shape are not known
        return Preprocessing(height, width, fit="squash", filter=filter_name)
    crop = processor.crop_size
    return Preprocessing(crop.height, crop.width, fit="crop", resized=resized, filter=filter_name)


def _convnext(processor: Any) -> Preprocessing:
    """Below 384 the shorter side becomes size / crop_pct and the middle is cropped; from 384 on photos are squashed."""
    side, filter_name = processor.size.shortest_edge, _FILTERS[int(processor.resample)]
    if not processor.do_resize or getattr(processor, "do_center_crop", None):
        raise ValueError("another order of steps")
    if side >= 384:
        return Preprocessing(side, side, fit="squash", filter=filter_name)
    return Preprocessing(side, side, fit="crop", resized=int(side / processor.crop_pct), filter=filter_name)


def _poolformer(processor: Any) -> Preprocessing:
    """The shorter side becomes size / crop_pct."""
    if processor.crop_pct is None:
        return _plain(processor)
    size = processor.size
    if not size.shortest_edge and size.height != size.width:
        raise ValueError("a photo that is not square")
    return _resized(processor, int((size.shortest_edge or size.height) / processor.crop_pct))


def _levit(processor: Any) -> Preprocessing:
    """The shorter side becomes 256 / 224 of what is asked for."""
    if not processor.size.shortest_edge:
        return _plain(processor)
    return _resized(processor, int(256 / 224 * processor.size.shortest_edge))


def _segformer(processor: Any) -> Preprocessing:
    """Never cropped, whatever is asked for."""
    return Preprocessing(
        processor.size.height, processor.size.width, fit="squash", filter=_FILTERS[int(processor.resample)]
    )


_GEOMETRY: dict[str, Callable[[Any], Preprocessing]] = {
    **dict.fromkeys(
        (
            *("ViTImageProcessor", "DeiTImageProcessor", "BeitImageProcessor", "BitImageProcessor"),
            *("CLIPImageProcessor", "SiglipImageProcessor", "MobileNetV1ImageProcessor", "MobileNetV2ImageProcessor"),
            *("MobileViTImageProcessor", "EfficientNetImageProcessor", "PvtImageProcessor"),
        ),
        _plain,
    ),
    "ConvNextImageProcessor": _convnext,
    "PoolFormerImageProcessor": _poolformer,
    "LevitImageProcessor": _levit,
    "SegformerImageProcessor": _segformer,
}

# -------------------------------------------------------------------------------------------------------- colours


def _colours(processor: Any, kind: str) -> dict[str, Any]:
    """Mean and standard deviation over colours in [0, 1], and the order of the channels.

    From a pixel p in 0…255 the processors make ((p · factor − offset) − mean) / std; with u = p / 255 and
    k = 255 · factor this is (u − (offset + mean) / k) / (std / k). EfficientNet's may divide by std once more.
    """
    k = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    k = 1.0 if math.isclose(k, 1, rel_tol=1e-6) else k
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    normalised = processor.do_normalize and kind != "MobileViTImageProcessor"  # which leaves it out
    mean, std = _three(processor.image_mean if normalised else 0.0), _three(processor.image_std if normalised else 1.0)
    again = _three(processor.image_std if getattr(processor, "include_top", False) else 1.0)
    return {
        "mean": tuple((offset + value) / k for value in mean),
        "std": tuple(value * more / k for value, more in zip(std, again)),
        "bgr": bool(getattr(processor, "do_flip_channel_order", False)),
    }


def _three(values: Any) -> tuple[float, ...]:
    """One number for each colour, from three or one."""
    three = tuple(map(float, values)) if isinstance(values, (list, tuple)) else (float(values),) * 3
    if len(three) != 3 or not all(map(math.isfinite, three)):
        raise ValueError("expected three numbers")
    return three


# ---------------------------------------------------------------------------------------------------------- checks


def check_bounds(ours: Preprocessing) -> None:
    """Raises Unusable for sizes that no photo is given, or a crop that does not lie in the resized photo."""
    resized = ours.resized or ours.size
    sides = resized if isinstance(resized, tuple) else (resized, resized)  # of the smallest photo before the crop
    parts = ours.size if isinstance(resized, tuple) else (max(ours.size),) * 2
    if not all(isinstance(side, int) and side in RESIZED for side in (*sides, *parts)) or max(parts) not in SIZES:
        raise Unusable(f"it asks for photos of {ours.height} × {ours.width} pixels, and 16 to 1024 can be given")
    if any(side < part for side, part in zip(sides, parts)):
        raise Unusable(UNKNOWN)
    if not all(math.isfinite(value) and value != 0 for value in ours.std):
        raise Unusable("its preprocessing divides by zero")


def _check_same(ours: Preprocessing, processor: Any) -> None:
    for height, width in PHOTOS:
        photo = synthetic(height, width)
        try:
            theirs = processor(photo, return_tensors="np", input_data_format="channels_last")["pixel_values"]
        except Exception as error:  # the library's, of any kind
            raise Unusable(f"{UNKNOWN} ({first_clause(error)})") from error
        frame = ours.frame(photo)
        mine = ours.tensor(frame.canvas, frame.seen).numpy()
        std = np.abs(np.array(ours.std[::-1] if ours.bgr else ours.std))[:, None, None]
        if mine.shape != np.shape(theirs) or not np.abs((mine - theirs) * std).max() <= TOLERANCE:
            raise Unusable(UNKNOWN)


def synthetic(height: int, width: int) -> np.ndarray:
    """A photo [height, width, 3] uint8 in which every step shows: gradients, another in each colour, and noise."""
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
    colours = np.stack([rows + 0 * columns, columns + 0 * rows, 0.5 + 0.5 * np.sin(20 * rows * columns)], -1)
    noise = np.random.default_rng(0).normal(0, 0.1, colours.shape)
    return (255 * np.clip(colours + noise, 0, 1)).astype(np.uint8)


def grey(preprocessing: Preprocessing) -> Tensor:
    """A mid-grey photo as the network's input: [1, 3, h, w]."""
    frame = preprocessing.frame(np.full((*preprocessing.size, 3), 128, np.uint8))
    return preprocessing.tensor(frame.canvas, frame.seen)
