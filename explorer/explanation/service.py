"""Explain a photo with one model and one method; results are cached, so that new colours cost no forward pass."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from threading import Lock
from typing import Any, TypeVar

from torch import nn

import classifiers
from classifiers import Classifier, Frame
from classifiers.photos.decode import pixels_sha256, read_photo
from explorer.settings import PREDICTED
from gradcam import Explainer, combine_rescaled

from .cam_layer import CAM, cam_layer, readable_layer
from .coalescing import ResultCache
from .device import Device, at_once, ignore_progress, joined
from .explained import ExplainedPhoto, as_image
from .own_memory import in_own_memory
from .targets import MIXTURE, TOP, many_classes, target_named, targets_of

Progress = Callable[..., None]  # (fraction done 0…1, task=what is being done)
Made = TypeVar("Made")
MAX_CACHED = 48  # explained photos in memory, 5 MB each for four classes at three layers
MAX_CACHED_BYTES = 400 * 10**6  # of their maps: a network that takes 512 × 512 pixels makes 30 MB of them


def explain_frame(
    frame: Frame,
    note: str,
    model: Classifier,
    network: nn.Module,
    method: str,
    extra: str | None = None,
    progress: Progress | None = None,
) -> ExplainedPhoto:
    """Explain what a frame shows the model's network, on that network's device. extra: a class that has no row else.

    Raises NoCam where the method is CAM and the network has no layer for it.
    """
    report = partial(progress or ignore_progress, task=f"{method}: asking the model once for every map")
    targets = _targets(model, extra)
    layers = (cam_layer(model, network),) if method == CAM else model.layers
    explainer = _explainer(network, tuple(layer.readable for layer in layers))
    explanation = explainer.explain(as_image(model, frame), targets, method, progress=report, at_once=at_once(network))
    names, combined = _names(model, explanation.logits[0], extra), combine_rescaled(explanation.heatmaps[0])
    return ExplainedPhoto(model, method, frame, note, names, layers, explanation, combined)


def _targets(model, extra):
    """As gradcam takes them: every class and the mixture; of many classes the most probable, and one that was named."""
    if not many_classes(model):
        return list(targets_of(model).values())
    named = [] if extra is None else [model.classes.index(extra)]
    return [("top", TOP), *named, MIXTURE]


def _names(model, logits, extra):
    """The names of these targets, in their order."""
    if not many_classes(model):
        return tuple(targets_of(model))
    most_probable = logits.sort(descending=True, stable=True).indices[:TOP].tolist()
    named = () if extra is None else (extra,)
    return (*(model.classes[index] for index in most_probable), *named, MIXTURE)


# one per process: an explainer keeps copies of its network, so that the next photo needs 2 ms for one in place of 27
@lru_cache(maxsize=4)
def _explainer(network, layers):
    return Explainer(network, layers)


class ExplanationService:
    """Explains photos and caches the last ones by pixels, model and method; equal concurrent requests share one."""

    def __init__(self, device: Device | str = "cpu", kept: int = MAX_CACHED):
        self.device = device if isinstance(device, Device) else Device(device)
        self._cache = ResultCache(kept, MAX_CACHED_BYTES, _bytes_of)
        self._lock = Lock()
        self._shared: dict[tuple, Any] = {}
        for finding in (_explainer, readable_layer):  # or they would keep networks that were let go
            classifiers.on_forgotten(finding.cache_clear)

    def shared(self, make: Callable[..., Made], *using) -> Made:
        """`make(self, *using)`, made once: so page and API share one object, and with it what it caches."""
        key = (make, *map(id, using))
        with self._lock:
            if key not in self._shared:
                self._shared[key] = make(self, *using)
            return self._shared[key]

    def explain_file(
        self, file, name: str, method: str, progress: Progress | None = None, target: str = PREDICTED
    ) -> ExplainedPhoto:
        """Explain an uploaded file; `target`, if it is a class, has a row of its own.

        Raises PhotoError for the file; ValueError, HubError or WeightsError for the model; ValueError for the target.
        """
        frame, note = self.prepare(file, name, progress)
        return self.explain_frame(frame, name, method, note, progress, target)

    def explain_frame(
        self,
        frame: Frame,
        name: str,
        method: str,
        note="",
        progress: Progress | None = None,
        target: str = PREDICTED,
    ) -> ExplainedPhoto:
        """Explain a photo that is already laid out for the model. Raises as `explain_file` does."""
        model = self.classifier(name, progress)
        wanted = target if target == PREDICTED else target_named(model, target)
        explained = self._explained(frame, model, method, note, None, progress)
        if wanted == PREDICTED or wanted in explained.targets:
            return explained
        return self._explained(frame, model, method, note, wanted, progress)

    def _explained(self, frame, model, method, note, extra, progress):
        key = (pixels_sha256(frame.canvas), frame.seen, note, model.name, model.revision, method, extra)
        work = partial(explain_frame, frame, note, model, method=method, extra=extra)

        def make(progress):
            explained, note = self.device.ask(model.name, work, progress)
            return _in_own_memory(explained.noted(note))

        return self._cache.get(key, make, progress or ignore_progress)

    def prepare(self, file, name: str, progress: Progress | None = None) -> tuple[Frame, str]:
        """An uploaded file as the named model takes it, and a note on how it was converted."""
        photo = read_photo(file)  # before the weights: what cannot be read is told at once
        frame = self.classifier(name, progress).preprocessing.frame(photo.pixels)
        return frame, joined(*photo.notes, frame.note)

    def classifier(self, name: str, progress: Progress | None = None) -> Classifier:
        """The named classifier, its weights loaded, or first downloaded.

        Raises ValueError, HubError or WeightsError.
        """
        task = "fetching the weights from the Hub"
        return classifiers.load(name, partial(progress or ignore_progress, task=task))

    def network(self, name: str) -> nn.Module:
        """The named network on the device. Work that may be too large for a GPU goes through `device.ask` instead."""
        return self.device.network(name)


def _bytes_of(explained):
    return explained.explanation.heatmaps.nbytes + explained.combined.nbytes + explained.frame.canvas.nbytes


def _in_own_memory(explained):
    """A copy for the cache, its maps in memory of their own."""
    heatmaps = in_own_memory(explained.explanation.heatmaps)
    explanation = replace(explained.explanation, heatmaps=heatmaps, maps=())  # the page shows the enlarged ones only
    return replace(explained, explanation=explanation, combined=in_own_memory(explained.combined))
