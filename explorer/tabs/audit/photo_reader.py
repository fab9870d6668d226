"""Reads the photos of an audit in batches, ahead of the model. A photo that cannot be read is reported and left out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from classifiers import Preprocessing
from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError
from explorer.photos.examples import Example
from explorer.photos.masks import read_mask
from potplants.dataset import as_input

AT_ONCE = 8  # photos in a batch; after each an audit can be stopped


@dataclass(frozen=True)
class Fault:
    """A file that cannot be used, and why, in one sentence."""

    key: str
    reason: str


@dataclass(frozen=True)
class InputPhoto:
    """A photo as the network takes it, and its parts if it has a mask."""

    example: Example
    pixels: np.ndarray  # [S, S, 3] uint8
    parts: np.ndarray | None  # [S, S] uint8, see `masks.PARTS`


@dataclass(frozen=True)
class Batch:
    photos: tuple[InputPhoto, ...]
    unreadable: tuple[Fault, ...]  # photos
    unusable_masks: tuple[Fault, ...]

    @property
    def size(self) -> int:
        """How many photos were tried."""
        return len(self.photos) + len(self.unreadable)

    def images(self) -> Tensor:
        """The network's input: [B, 3, S, S]."""
        return as_images([photo.pixels for photo in self.photos])


def as_images(pixels: Sequence[np.ndarray]) -> Tensor:
    """Photos [S, S, 3] uint8 as the network's input: [B, 3, S, S]."""
    return as_input(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous())


def read_ahead(examples: Sequence[Example], size: int) -> Iterator[Batch]:
    """The photos, AT_ONCE at a time; each batch is read while the one before is in use."""
    batches = [examples[start : start + AT_ONCE] for start in range(0, len(examples), AT_ONCE)]
    if not batches:
        return
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(read, batches[0], size)
        for batch in batches[1:]:
            ready, pending = pending.result(), pool.submit(read, batch, size)
            yield ready
        yield pending.result()


def read(examples: Sequence[Example], size: int) -> Batch:
    """Read the photos as the page does. Unreadable files are in the result; nothing is raised."""
    photos, unreadable, unusable_masks = [], [], []
    for example in examples:
        try:
            square = Preprocessing(size, size).frame(read_photo(example.file).pixels)
        except PhotoError as error:
            unreadable.append(Fault(example.key, str(error)))
            continue
        try:
            parts = _parts(example, square)
        except ValueError as error:
            parts = None
            unusable_masks.append(Fault(example.key, str(error)))
        photos.append(InputPhoto(example, square.canvas, parts))
    return Batch(tuple(photos), tuple(unreadable), tuple(unusable_masks))


def _parts(example, square):
    if example.mask is None:
        return None
    parts = read_mask(example.mask)
    if parts.shape != square.canvas.shape[:2] or square.note:
        raise ValueError(f"the mask {example.mask.name} does not lie over what the network sees of its photo")
    return parts
