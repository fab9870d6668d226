"""What a feature map looks for: the photos that excite it most, and where in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import nn

import classifiers
from classifiers import Classifier, Frame
from classifiers.photos.decode import read_photo
from explorer.answers.code import code_digest
from explorer.answers.files import FOLDER, Codec, file_of, read, write
from explorer.explanation.coalescing import ResultCache
from explorer.explanation.device import ignore_progress
from explorer.explanation.explained import as_image
from explorer.explanation.service import ExplanationService, Progress
from explorer.explanation.targets import column_named
from explorer.photos.examples import Example, Examples
from gradcam import take_apart

MOST = 6  # photos of each map
KEPT = 12  # layers whose maps are cached
CODE = ("explorer/tabs/steps/strongest.py",)


@dataclass(frozen=True)
class Strong:
    """A photo, how strong a map is in it at most, and where: in parts of the photo's width and height."""

    example: Example
    value: float
    x: float
    y: float


Found = tuple[tuple[Strong, ...], ...]  # for each map the MOST, strongest first


class Strongest:
    """The strongest photos of each map of a layer: those that come with the app, else computed and cached."""

    def __init__(self, service: ExplanationService, examples: Examples):
        self._service, self._examples, self._kept = service, examples, ResultCache(KEPT)

    def of(self, name: str, column: str, progress: Progress) -> Found:
        """For each map of a layer. Raises what loading the model raises, and ValueError for the layer."""
        model = self._service.classifier(name, progress)
        layer = model.layers[model.columns.index(column_named(model, column))]
        photos = self.photos(model)
        file = self.file(model, layer.column)

        def make(progress):
            kept = read(file, _codec(photos))
            if kept is not None:
                return kept
            work = partial(find, layer=layer.readable, model=model, photos=photos)
            return self._service.device.ask(model.name, work, progress)[0]

        return self._kept.get(file, make, progress)

    def photos(self, model: Classifier) -> tuple[Example, ...]:
        """The photos that are looked through: all of classes that the model knows, else those on the page."""
        of_splits = self._examples.splits_for(model.classes).values()
        return tuple(photo for photos in of_splits for photo in photos) or self._examples.shown

    def file(self, model: Classifier, column: str, folder: Path = FOLDER) -> Path:
        """Where the answer for a layer is, or would be, for these weights, photos and this code."""
        weights = model.revision or classifiers.fingerprint(model.name)
        names = tuple((photo.key, self._examples.digest_of(photo)) for photo in self.photos(model))
        return file_of("strongest", (weights, column, names, code_digest(*CODE)), folder)

    def ship(self, name: str, column: str, folder: Path = FOLDER) -> Path:
        """The file that comes with the app; computed and written where it is missing."""
        model = self._service.classifier(name)
        photos = self.photos(model)
        file = self.file(model, column_named(model, column), folder)
        if not file.is_file():
            about = {"model": name, "layer": column, "photos": len(photos)}
            write(file, about, _codec(photos), self.of(name, column, ignore_progress))
        return file


def find(network: nn.Module, layer, model: Classifier, photos: Sequence[Example], progress: Progress) -> Found:
    """Look through the photos; one that cannot be read raises what reading it raises."""
    best: list[list[Strong]] = []
    for done, example in enumerate(photos):
        progress(done / len(photos), task=f"looking through {len(photos)} photos")
        frame = model.preprocessing.frame(read_photo(example.file).pixels)
        activation = take_apart(network, layer, as_image(model, frame)[0]).activation  # [C, h, w]
        values, places = activation.flatten(1).max(1)
        best = best or [[] for _ in values]
        for of_map, value, place in zip(best, values.tolist(), places.tolist()):
            row, column = divmod(place, activation.shape[2])
            of_map.append(Strong(example, value, *_in_photo(frame, row, column, activation.shape[1:])))
            of_map.sort(key=lambda strong: -strong.value)
            del of_map[MOST:]
    return tuple(map(tuple, best))


def _in_photo(frame: Frame, row, column, shape):
    """The middle of a point of the layer's grid, in parts of the photo's width and height."""
    seen, photo = frame.seen, frame.photo
    x = seen.left + (column + 0.5) / shape[1] * (seen.right - seen.left) - photo.left
    y = seen.top + (row + 0.5) / shape[0] * (seen.bottom - seen.top) - photo.top
    inside = x / (photo.right - photo.left), y / (photo.bottom - photo.top)
    return tuple(min(1.0, max(0.0, part)) for part in inside)


def _codec(photos):
    return Codec((Strong,), {Example: ("key", {photo.key: photo for photo in photos})})
