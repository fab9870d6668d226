"""The one function of both engines: a range of photos → its rows."""

from __future__ import annotations

import hashlib
import platform
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import torch

from classifiers import Frame
from classifiers.photos.decode import Photo, decode_photo
from classifiers.photos.formats import PhotoError
from gradcam import Explainer

from .options import Options, Pace, Stopped
from .overlays import write_overlay
from .question import Question, ask
from .rows import Row, place_of, with_heat
from .sources import Source, Taken
from .truth import Truth

# Threads that read and decode while a GPU computes. On a CPU there are none: processes overlap with each other, and a
# thread beside the network costs it its cache: 22 to 23.5 ms of processor time a photo in place of 19 to 20.5.
READERS = 4
HEATMAP_BYTES = 256 * 2**20  # of a batch; more photos or targets come in groups
PACKAGES = ("torch", "numpy", "pillow", "opencv-python-headless", "pyarrow")


@dataclass(frozen=True)
class Piece:
    """A range of photos and where they are: all that a worker is sent."""

    start: int  # the first one's number
    stop: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class _Read:
    """A photo that was read, or the row that says why not."""

    row: Row
    photo: Photo | None = None
    frame: Frame | None = None


class Explaining:
    """Holds a classifier's network, on the device that is wanted, and explains photos with it.

    truth: of the same options, where it was read already: a table may change, or not be on this machine.
    """

    def __init__(self, options: Options, pace: Pace, out: Path, truth: Truth | None = None):
        self.options, self.pace, self.out = options, pace, out
        self.question: Question = ask(options)
        torch.set_num_threads(pace.threads)
        cv2.setNumThreads(1)  # for one map's boxes two threads take half as much processor time again as one
        self.device = _device(pace.device)
        network = self.question.classifier.network
        layers = [layer.readable for layer in self.question.layers]
        self._explainer = Explainer(network if self.device == "cpu" else _moved(network, self.device), layers)
        self._revision = self.question.revision()
        answers_class = self.question.classifier.answers == "class"
        self.truth = truth or Truth(options.truth, self.question.classifier.classes if answers_class else ())

    def rows(self, piece: Piece) -> list[Row]:
        """The rows of a range of photos, in order. Whatever is wrong with a photo is in its row."""
        rows, batch = [], []
        for read in self._read_ahead(piece):
            if read.photo is None:
                rows += [*self._explained(batch), read.row]
                batch = []
                continue
            batch.append(read)
            if len(batch) == self._photos_at_once():
                rows += self._explained(batch)
                batch = []
        return rows + self._explained(batch)

    def check(self) -> None:
        """Explain a grey photo. Raises what a method raises at layers that it cannot read."""
        size = self.question.classifier.preprocessing.size
        grey = torch.full((1, 3, *size), 0.5)
        self._explainer.explain(grey.to(self.device), self.question.targets[:1], self.options.method)

    def _read_ahead(self, piece) -> Iterator[_Read]:
        taken = enumerate((one for source in piece.sources for one in source.photos()), piece.start)
        if self.device == "cpu":
            yield from (self._read(number, one) for number, one in taken)
            return
        waiting = deque()
        with ThreadPoolExecutor(READERS) as readers:
            for number, one in taken:
                waiting.append(readers.submit(self._read, number, one))
                if len(waiting) > 2 * self._photos_at_once():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _read(self, number: int, taken: Taken) -> _Read:
        row = Row(
            *(number, taken.label),
            model=self.question.classifier.name,
            revision=self._revision,
            method=self.options.method,
            truth=self.truth.of(taken.label),
            versions=versions(),
        )
        try:
            data = taken.read()
            row = replace(row, sha256=hashlib.sha256(data).hexdigest())
            photo = decode_photo(data)
            frame = self.question.classifier.preprocessing.frame(photo.pixels)
        except PhotoError as error:
            return _Read(replace(row, error=str(error)))
        except Exception as error:  # a row with its error, whatever it is
            return _Read(replace(row, error=_in_words(error)))
        notes = " ".join((*photo.notes, frame.note)).strip()
        return _Read(replace(row, width=photo.width, height=photo.height, notes=notes), photo, frame)

    def _photos_at_once(self):
        return max(1, min(self.pace.batch_size, HEATMAP_BYTES // (self._heatmap_bytes() * self._targets_at_once())))

    def _targets_at_once(self):
        return max(1, min(len(self.question.targets), HEATMAP_BYTES // self._heatmap_bytes()))

    def _heatmap_bytes(self):
        height, width = self.question.classifier.preprocessing.size
        return 4 * height * width * len(self.question.layers)

    def _explained(self, batch: list[_Read]) -> list[Row]:
        if not batch:
            return []
        try:
            return self._rows_of(batch)
        except Stopped:  # the disk's fault, not the photos'
            raise
        except Exception as error:
            if len(batch) > 1:  # one of them is to blame
                return [row for one in batch for row in self._explained([one])]
            return [replace(batch[0].row, error=_in_words(error))]

    def _rows_of(self, batch):
        inputs = torch.cat([self._input_of(read.frame) for read in batch]).to(self.device)
        targets, step = self.question.targets, self._targets_at_once()
        rows = [[] for _ in batch]
        for first in range(0, len(targets), step):
            some = targets[first : first + step]
            explanation = self._explainer.explain(inputs, some, self.options.method, at_once=len(batch))
            for index, read in enumerate(batch):
                rows[index] += self._rows_of_photo(read, explanation, index, some)
        return [row for of_photo in rows for row in of_photo]

    def _input_of(self, frame):
        return self.question.classifier.preprocessing.tensor(frame.canvas, frame.seen)

    def _rows_of_photo(self, read, explanation, index, targets) -> Iterator[Row]:
        place = place_of(read.frame)
        for k, answer in enumerate(self.question.answers(explanation.logits[index], targets)):
            for l, layer in enumerate(self.question.layers):  # noqa: E741 (the layers' letter everywhere)
                heatmap = explanation.heatmaps[index, k, l]
                row = replace(read.row, layer=layer.name, **answer)
                row = with_heat(row, heatmap, explanation.maps[l][index, k], place)
                if self.options.overlays:
                    row = replace(row, overlay=write_overlay(self.out, row, read.frame, heatmap))
                yield row


@cache
def versions() -> str:
    """What made a row, "python 3.11.9, torch 2.13.0, …"."""
    found = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def _moved(network, device):
    """A copy there: the catalogue's network stays on the CPU for its other callers."""
    import copy

    return copy.deepcopy(network).to(device)


def _in_words(error: BaseException) -> str:
    words = (str(error).splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
