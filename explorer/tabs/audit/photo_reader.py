"""The photos of an audit, read while the model is busy. One that cannot be read is named and passed over."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.photos.decode import fit_square, read_photo
from explorer.photos.examples import Example
from explorer.photos.formats import PhotoError
from explorer.photos.masks import read_mask
from potplants.dataset import as_input

AT_ONCE = 8  # photos between two looks at whether to go on


@dataclass(frozen=True)
class Fault:
    """A file that could not be used, and why, in one sentence."""

    key: str
    reason: str


@dataclass(frozen=True)
class Seen:
    """A photo as the network sees it, and its parts where a mask names them."""

    example: Example
    pixels: np.ndarray  # [S, S, 3] uint8
    parts: np.ndarray | None  # [S, S] uint8, see `regions.PARTS`


@dataclass(frozen=True)
class Batch:
    photos: tuple[Seen, ...]
    unread: tuple[Fault, ...]  # photos
    misfits: tuple[Fault, ...]  # masks

    @property
    def size(self) -> int:
        """How many photos were tried."""
        return len(self.photos) + len(self.unread)

    def images(self) -> Tensor:
        """What the network takes: [B, 3, S, S]."""
        return as_images([photo.pixels for photo in self.photos])


def as_images(pixels: Sequence[np.ndarray]) -> Tensor:
    """Photos [S, S, 3] uint8 as the networks take them: [B, 3, S, S]."""
    return as_input(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous())


def read_ahead(examples: Sequence[Example], size: int) -> Iterator[Batch]:
    """The photos, AT_ONCE at a time; each batch is read while the one before is in use."""
    parts = [examples[start : start + AT_ONCE] for start in range(0, len(examples), AT_ONCE)]
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(read, parts[0], size) if parts else None
        for following in parts[1:]:
            ready, coming = coming.result(), pool.submit(read, following, size)
            yield ready
        if coming:
            yield coming.result()


def read(examples: Sequence[Example], size: int) -> Batch:
    """Read the photos as the page does. What cannot be read is told, not raised."""
    photos, unread, misfits = [], [], []
    for example in examples:
        try:
            square = fit_square(read_photo(example.file).pixels, size)
        except PhotoError as error:
            unread.append(Fault(example.key, str(error)))
            continue
        try:
            parts = _parts(example, square)
        except ValueError as error:
            parts = None
            misfits.append(Fault(example.key, str(error)))
        photos.append(Seen(example, square.pixels, parts))
    return Batch(tuple(photos), tuple(unread), tuple(misfits))


def _parts(example, square):
    if example.mask is None:
        return None
    parts = read_mask(example.mask)
    if parts.shape != square.pixels.shape[:2] or square.note:
        raise ValueError(f"the mask {example.mask.name} does not lie over what the network sees of its photo")
    return parts
