"""Computes audits and caches them by the photos' and masks' bytes, the models' weights and the method."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import classifiers as catalogue
import potplants
from classifiers import Classifier
from explorer.answers.files import FOLDER
from explorer.explanation.coalescing import ResultCache
from explorer.explanation.device import ignore_progress, joined
from explorer.explanation.service import ExplanationService, Progress
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import SPLITS, Example, Examples
from potplants.weights import sha256

from .audit import METHOD, Audit, audit, raise_if_stopped
from .causal_test import RepaintedPrediction, in_every_pot, plant_of_colour
from .photo_reader import Fault
from .shipped import ship, shipped, shipped_file

NO_COMPARISON = "none"  # in place of the second model
BOTH = "both"  # splits
REPAINT_COST = 3  # the time to repaint one photo, in photos audited
KEPT = 12  # cached audits and causal tests, of all visitors; an audit is some 10 MB, most of it photos to show

# takes the part done and the task; answering False stops the work, as raising Cancelled does
StoppableProgress = Callable[[float, str], bool | None]


@dataclass(frozen=True)
class AuditRequest:
    models: tuple[str, ...]  # one or two
    split: str = BOTH
    repaint: bool = True


@dataclass(frozen=True)
class AuditResult:
    request: AuditRequest
    origin: str  # of the photos, for display
    splits: dict[str, int]  # name → photos
    photos: str  # the SHA-256 of all photos and masks
    weights: dict[str, str | None]  # model → the SHA-256 of its file; None if the file is gone
    audits: tuple[Audit, ...]  # one per model
    # model → predictions of the causal test; empty if it was not requested, or no photo has a mask
    repainted: dict[str, tuple[RepaintedPrediction, ...]]
    plant_of_colour: dict[str, str]  # pot colour → plant
    note: str = ""  # where it was computed, if not as usual
    beforehand: bool = False  # whether any of it came with the app

    @property
    def name(self) -> str:
        """The same for the same request about the same bytes."""
        return hashlib.sha256(repr((self.request, self.photos, self.weights, self.beforehand)).encode()).hexdigest()[
            :16
        ]

    @property
    def unreadable(self) -> tuple[Fault, ...]:
        return self.audits[0].unreadable

    @property
    def unusable_masks(self) -> tuple[Fault, ...]:
        return self.audits[0].unusable_masks


def audit_request(model: str, compare: str = NO_COMPARISON, split: str = BOTH, repaint: bool = True) -> AuditRequest:
    """Raises ValueError for a model that is no classifier."""
    for name in {model, compare} - {NO_COMPARISON}:
        if _answers_with_a_number(name):
            raise ValueError(
                f"{name} answers with a number, so it is never right or wrong about a plant: choose a classifier."
            )
    models = (model,) if compare in (NO_COMPARISON, model) else (model, compare)
    return AuditRequest(models, split, bool(repaint))


def classifiers() -> list[str]:
    """The models that can be audited."""
    return [name for name in catalogue.names() if not _answers_with_a_number(name)]


def default_comparison(name: str) -> str:
    """The model to compare with unless the visitor chooses another."""
    alike = name in potplants.MODELS and name != "debiased" and not _answers_with_a_number(name)
    return "debiased" if alike else NO_COMPARISON


def _answers_with_a_number(name):
    return catalogue.is_name(name) and not catalogue.is_of_the_hub(name) and catalogue.find(name).answers != "class"


def split_names(examples: Examples) -> list[str]:
    """The splits that there are, whatever their classes."""
    there = {example.split for example in examples.every.values()}
    return [name for name in SPLITS if name in there]


@dataclass(frozen=True)
class _Step:
    """One model on all photos of a request: a part of an audit that is cached by itself."""

    kind: str  # a key of _WORK
    model: str
    cost: int  # in photos audited


_WORK = {"audit": audit, "repaint": in_every_pot}
_TASKS = {
    "audit": "{name}: asking about {photos} photos, and where it looked",
    "repaint": "{name}: every plant in every pot",
}


class Audits:
    """Computes audits and caches their steps. Visitors who request the same audit share one computation."""

    def __init__(self, service: ExplanationService, examples: Examples, kept: ResultCache | None = None):
        self._service, self._examples = service, examples
        self._kept = ResultCache(KEPT) if kept is None else kept
        self._shipped = ResultCache(KEPT)

    def count(self, split: str, models: Sequence[str]) -> int:
        """How many photos an audit of the split has."""
        return len(self._photos(split, [self._service.classifier(name) for name in models]))

    def of(self, request: AuditRequest, progress: StoppableProgress) -> AuditResult:
        """The audit, cached or computed now. Raises Cancelled if `progress` says so, and what loading a model raises.

        Steps that are finished when it is stopped stay cached.
        """
        for name in request.models:
            self._service.classifier(name, _fetching(progress, name))
        _, photos, weights, photos_digest = self._asked(request)
        steps = _steps(request, photos)
        results, done, total = {}, 0, sum(step.cost for step in steps)
        for step in steps:
            key = _key(step, weights, photos_digest)
            step_progress = _part_of(progress, done, step.cost, total)
            results[step] = self._kept.get(key, partial(self._run, step, photos), step_progress)
            done += step.cost
        return self._result(request, photos, photos_digest, weights, results)

    def known(self, request: AuditRequest) -> AuditResult | None:
        """The audit if all of it is cached, or comes with the app."""
        results, beforehand = {}, False
        models, photos, weights, photos_digest = self._asked(request)
        for step in _steps(request, photos):
            key = _key(step, weights, photos_digest)
            results[step] = self._kept.peek(key)
            if results[step] is None:
                beforehand, results[step] = True, (self._shipped_step(step, key, models[step.model], photos), "")
            if results[step][0] is None:
                return None
        return replace(self._result(request, photos, photos_digest, weights, results), beforehand=beforehand)

    def ship(self, request: AuditRequest, folder: Path = FOLDER) -> list[Path]:
        """The files of the audit's steps that come with the app; computed and written where they are missing."""
        models, photos, weights, photos_digest = self._asked(request)
        files = []
        for step in _steps(request, photos):
            key = _key(step, weights, photos_digest)
            file = shipped_file(step.kind, key, folder)
            if not file.is_file():
                result, _ = self._run(step, photos, ignore_progress)
                ship(file, models[step.model], photos, result)
            files.append(file)
        return files

    def _asked(self, request):
        """The models by name, the photos, the weights' digests and that of the photos."""
        models = {name: catalogue.find(name) for name in request.models}
        photos = self._photos(request.split, list(models.values()))
        return models, photos, _weights_sha256(models.values()), _photos_sha256(photos)

    def _shipped_step(self, step, key, model, photos):
        """What comes with the app, read once; None where it does not."""
        file = shipped_file(step.kind, key)
        return self._shipped.get(file, lambda progress: shipped(file, model, photos), ignore_progress)

    def _run(self, step: _Step, photos: Sequence[Example], progress: Progress) -> tuple[Any, str]:
        """What the step computes, and the device's note."""
        task = _TASKS[step.kind].format(name=step.model, photos=len(photos))
        progress(0, task=task)  # where a GPU is lent, progress is not reported during the work
        work = partial(_WORK[step.kind], model=catalogue.find(step.model), examples=photos)
        return self._service.device.ask(step.model, work, partial(progress, task=task))

    def _result(self, request, photos, photos_digest, weights, results):
        computed = {(step.kind, step.model): value for step, (value, _) in results.items()}
        return AuditResult(
            request=request,
            origin="; ".join(dict.fromkeys(self._examples.origin_of(photo.split) for photo in photos)),
            splits=dict(Counter(photo.split for photo in photos)),
            photos=photos_digest,
            weights=weights,
            audits=tuple(computed["audit", name] for name in request.models),
            repainted={name: computed.get(("repaint", name), ()) for name in request.models},
            note=joined(*(note for _, note in results.values())),
            plant_of_colour=plant_of_colour(tuple(self._examples.every.values())),
        )

    def _photos(self, split, models: Sequence[Classifier]):
        """The photos of a split whose classes all models know. Raises ValueError where there are none."""
        known = [self._examples.splits_for(model.classes) for model in models]
        splits = {name: photos for name, photos in known[0].items() if all(name in other for other in known)}
        if not splits:
            names = " and ".join(model.name for model in models)
            raise ValueError(
                f"No photos here are of classes known to {names}: start the app with --data DIR, where each folder "
                "is called like a class and holds its photos."
            )
        if split not in (*splits, BOTH):
            choices = ", ".join((*splits, BOTH))
            raise ValueError(f"There are no photos of the split {str(split)[:40]!r}; choose one of {choices}.")
        return tuple(photo for name, photos in splits.items() if split in (name, BOTH) for photo in photos)


def _steps(request, photos):
    steps = [_Step("audit", name, len(photos)) for name in request.models]
    masked = sum(photo.mask is not None for photo in photos)
    if request.repaint and masked:
        steps += [_Step("repaint", name, REPAINT_COST * masked) for name in request.models]
    return steps


def _part_of(progress: StoppableProgress, done: int, cost: int, total: int) -> Progress:
    """Progress of one step as progress of the whole audit. Raises Cancelled when `progress` answers False."""

    def report(part, task):
        raise_if_stopped(progress((done + part * cost) / total, task))

    return report


def _key(step, weights, photos_digest):
    how = METHOD if step.kind == "audit" else tuple(POT_COLOURS.items())
    return step.kind, step.model, weights[step.model], how, photos_digest


def _weights_sha256(models):
    """Name → what tells its weights from others: of a repository of the Hub its commit."""
    return {model.name: model.revision or catalogue.fingerprint(model.name) for model in models}


def _fetching(progress: StoppableProgress, name: str) -> Progress:
    return lambda part=0, task="": raise_if_stopped(progress(0, f"fetching {name}"))


def _photos_sha256(photos: Sequence[Example]) -> str:
    """The SHA-256 over names, photos and masks."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(
            f"{photo.key} {photo.pot_colour} {_file_sha256(photo.file)} "
            f"{photo.mask and _file_sha256(photo.mask)}\n".encode()
        )
    return digest.hexdigest()


def _file_sha256(file: Path) -> str | None:
    """None for a file that cannot be read, which the audit reports."""
    with suppress(OSError):
        return sha256(file)
    return None
