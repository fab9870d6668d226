"""Reads the photos of an audit in batches, ahead of the model. A photo that cannot be read is reported and left out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from classifiers import Classifier, Frame
from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError
from explorer.explanation.explained import as_image
from explorer.photos.examples import Example
from explorer.photos.masks import read_mask

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
    frame: Frame  # as it is laid out for the network
    parts: np.ndarray | None  # over the network's input, [h, w] uint8, see `masks.PARTS`


@dataclass(frozen=True)
class Batch:
    photos: tuple[InputPhoto, ...]
    unreadable: tuple[Fault, ...]  # photos
    unusable_masks: tuple[Fault, ...]

    @property
    def size(self) -> int:
        """How many photos were tried."""
        return len(self.photos) + len(self.unreadable)

    def images(self, model: Classifier) -> Tensor:
        """The network's input: [B, 3, h, w]."""
        return as_images(model, [photo.frame for photo in self.photos])


def as_images(model: Classifier, frames: Sequence[Frame]) -> Tensor:
    """What frames show the network: [B, 3, h, w]."""
    return torch.cat([as_image(model, frame) for frame in frames])


def read_ahead(examples: Sequence[Example], model: Classifier) -> Iterator[Batch]:
    """The photos, AT_ONCE at a time; each batch is read while the one before is in use."""
    batches = [examples[start : start + AT_ONCE] for start in range(0, len(examples), AT_ONCE)]
    if not batches:
        return
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(read, batches[0], model)
        for batch in batches[1:]:
            ready, pending = pending.result(), pool.submit(read, batch, model)
            yield ready
        yield pending.result()


def read(examples: Sequence[Example], model: Classifier) -> Batch:
    """Read the photos as the page does. Unreadable files are in the result; nothing is raised."""
    photos, unreadable, unusable_masks = [], [], []
    for example in examples:
        try:
            photo = read_photo(example.file).pixels
            frame = model.preprocessing.frame(photo)
        except PhotoError as error:
            unreadable.append(Fault(example.key, str(error)))
            continue
        try:
            parts = _parts(example, photo, frame)
        except ValueError as error:
            parts = None
            unusable_masks.append(Fault(example.key, str(error)))
        photos.append(InputPhoto(example, frame, parts))
    return Batch(tuple(photos), tuple(unreadable), tuple(unusable_masks))


def _parts(example, photo, frame):
    if example.mask is None:
        return None
    parts = read_mask(example.mask)
    if parts.shape != photo.shape[:2]:
        raise ValueError(f"the mask {example.mask.name} is not of its photo's size, so it does not lie over it")
    return frame.over_canvas(parts)[frame.seen.slices]
