"""Speaking: loading the catalogue's models, which of them can be had now, and why one and not another speaks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from potplants import hub, weights
from potplants.catalogue import FALLBACK, FAVOURITE, MODELS, HubFile, Model, find
from potplants.hub import HubError, Progress
from potplants.weights import WeightsError

GLANCE_SECONDS = 1.5  # how long a list of models may wait for the Hub
REMEMBER_SECONDS = 30.0  # how long it believes the Hub's last answer


@dataclass(frozen=True)
class Choice:
    """The model that speaks, which loads, and a sentence for visitors on why it is this one."""

    name: str
    reason: str


def load(name: str, progress: Progress | None = None) -> nn.Module:
    """The named network, in eval mode on the CPU; every caller gets the same one, and it is read only once.

    `progress` is told how much of a download has come, 0…1. Raises ValueError for an unknown name, HubError when
    the weights cannot be fetched, WeightsError when they cannot be used; a failure is tried again by the next call.
    """
    return _place(find(name)).take(progress)


def choose(wanted: str = "auto", progress: Progress | None = None) -> Choice:
    """Load the wanted model, or else the embedded one, and say which it is and why.

    "auto" wants the article's own classifier. Raises ValueError for an unknown name and whatever `load` raises if
    even the embedded model cannot be had.
    """
    model = find(FAVOURITE if wanted == "auto" else wanted)
    try:
        load(model.name, progress)
    except (HubError, WeightsError) as error:
        if model.name == FALLBACK:
            raise
        load(FALLBACK)
        return Choice(FALLBACK, _apology(model, error, asked_for=wanted != "auto"))
    reason = f"{model.name} is speaking, with weights from {model.origin}."
    if _is_published(model) is False:
        reason += " Its file is not the one that was published (the SHA-256 differs)."
    return Choice(model.name, reason)


def availability() -> list[dict]:
    """One dict per model, ready for JSON, on whether it can be loaded now. It waits GLANCE_SECONDS at most."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_describe, MODELS.values()))


def fingerprint(name: str) -> str | None:
    """SHA-256 of the named model's weights file on this machine; None where it is not here. Raises ValueError for an unknown name."""
    path = _on_disk(find(name))
    return weights.sha256(path) if path else None


# -------------------------------------------------------------------------------------------------------- loading


class _Place:
    """Where one loaded network stands: the first visitor loads it while the others wait for the outcome."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._network: nn.Module | None = None
        self._failure: Exception | None = None
        self._failed_at = 0.0

    @property
    def filled(self) -> bool:
        return self._network is not None

    def take(self, progress: Progress | None) -> nn.Module:
        asked = time.monotonic()
        with self._lock:
            if self._network is None:
                if self._failure and self._failed_at > asked:
                    # It failed while we stood in line. Ten visitors must not wait ten times for a Hub that is silent.
                    raise self._failure.with_traceback(None)
                try:
                    self._network = _read(self._model, progress)
                except (HubError, WeightsError) as error:
                    self._failure, self._failed_at = error, time.monotonic()
                    raise
            return self._network


_shelf: dict[Model, _Place] = {}


def _place(model: Model) -> _Place:
    return _shelf.setdefault(model, _Place(model))


def _read(model: Model, progress: Progress | None) -> nn.Module:
    """The model's network with its weights; a file from the Hub that is of no use does not stay in the cache."""
    with torch.device("meta"):  # 33 million random numbers are not drawn only to be overwritten
        network = model.network()
    if isinstance(model.weights, Path):
        return weights.load_into(network, model.weights).eval()
    path = hub.fetch(model.weights, progress)
    try:
        return weights.load_into(network, path).eval()
    except WeightsError as error:
        if _is_published(model):  # then the file is not at fault, and another copy would be the same
            raise
        hub.evict(model.weights)
        remedy = "it has been removed from the cache, so asking again fetches a new copy"
        raise WeightsError(path, error.fault, remedy) from error


def _on_disk(model: Model) -> Path | None:
    if isinstance(model.weights, HubFile):
        return hub.cached(model.weights)
    return model.weights if model.weights.is_file() else None


def _is_published(model: Model) -> bool | None:
    """Whether the file on disk is the published one; None if there is no file, or nothing to compare it with."""
    path = _on_disk(model)
    if path is None or model.sha256 is None:
        return None
    try:
        return weights.sha256(path) == model.sha256
    except OSError:  # another visitor's fault has just removed it
        return None


# -------------------------------------------------------------------------------------------------------- telling


def _apology(model: Model, error: HubError | WeightsError, asked_for: bool) -> str:
    """Why another model speaks. A visitor who asked for none by name is not told of files on the Hub."""
    if isinstance(error, HubError) and not asked_for:
        return f"The embedded classifier is speaking: {error.fault}."
    file = model.weights.path if isinstance(model.weights, HubFile) else model.weights.name
    failed = "cannot be fetched" if isinstance(error, HubError) else "cannot be used"
    instead = f" in place of {model.name}" if asked_for else ""
    return f"The embedded classifier is speaking{instead}: {file} {failed} ({error.fault})."


def _describe(model: Model) -> dict:
    reachable, status = _reachable(model)
    return {
        "name": model.name,
        "origin": model.origin,
        "trained_on": model.trained_on,
        "reachable": reachable,
        "status": status,
        "answers": model.answers,
        "classes": list(model.classes),
        "layers": list(model.layers),
        "size": model.size,
        "sha256_matches": _is_published(model),
    }


def _reachable(model: Model) -> tuple[bool, str]:
    """Whether the model can be loaded now, and the words for it."""
    if _place(model).filled:
        return True, "loaded"
    if isinstance(model.weights, Path):
        there = model.weights.is_file()
        return there, "in this repository" if there else f"{model.weights.name} is missing"
    if hub.cached(model.weights):
        return True, "in the cache"
    try:
        hub.probe(model.weights, patience=GLANCE_SECONDS, remember=REMEMBER_SECONDS)
    except HubError as error:
        return False, error.fault
    return True, "on the Hub, not fetched yet"
