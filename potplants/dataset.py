"""The Pot Plant Dataset's layout on disk: `DIR/<split>/<class number>_<anything>.jpg`, rendered or real photos alike."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .networks import CLASSES

SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Photos:
    files: tuple[Path, ...]  # M photos, sorted by name
    labels: tuple[int, ...]  # M classes, from the file names


def photos(folder) -> Photos:
    """The labelled photos directly in `folder`. Raises ValueError, naming the layout expected, when there are none."""
    folder = Path(folder)
    found = sorted(path for path in folder.glob("*_*") if path.suffix.lower() in SUFFIXES and _label(path) is not None)
    if not found:
        wanted = ", ".join(f"{number}_*.jpg for {name}" for number, name in enumerate(CLASSES))
        raise ValueError(
            f"expected photos named {wanted} in {folder}, found none: give the folder that holds the split's photos"
        )
    return Photos(tuple(found), tuple(_label(path) for path in found))


def load_pixels(files, size: int) -> Tensor:
    """Square photos as uint8 [M, 3, size, size], RGB. Raises ValueError naming the file that cannot be read."""
    return torch.from_numpy(np.stack([_pixels(path, size) for path in files])).permute(0, 3, 1, 2).contiguous()


def as_input(pixels: Tensor) -> Tensor:
    """What the networks were trained on: RGB in [0, 1], no other normalisation. uint8 → float32, same shape."""
    return pixels.float() / 255


def _label(path):
    number = path.name.split("_")[0]
    return int(number) if number.isascii() and number.isdigit() and int(number) < len(CLASSES) else None


def _pixels(path, size):
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"expected a photo, but {path} cannot be read: remove it or replace it")
    if image.shape[:2] != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return image[..., ::-1]
