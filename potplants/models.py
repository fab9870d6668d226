"""Loading the catalogue's models, listing which are available now, and choosing the one that the app starts with."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from potplants import hub, weights
from potplants.catalogue import FALLBACK, MODELS, PREFERRED, HubFile, Model, find
from potplants.hub import HubError, Progress
from potplants.weights import WeightsError

LISTING_SECONDS = 1.5  # how long a list of models may wait for the Hub
PROBE_MAX_AGE_SECONDS = 30.0  # how long it reuses the Hub's last response


@dataclass(frozen=True)
class Choice:
    """The model that the app starts with, which is loaded, and a sentence for visitors on why it is this one."""

    name: str
    reason: str


def load(name: str, progress: Progress | None = None) -> nn.Module:
    """The named network, in eval mode on the CPU; every caller gets the same one, and it is read only once.

    `progress` is called with the fraction of a download, 0…1. Raises ValueError for an unknown name, HubError when
    the weights cannot be fetched, WeightsError when they cannot be used; the next call tries again after a failure.
    """
    return _shared_network(find(name)).get(progress)


def choose(name: str = "auto", progress: Progress | None = None) -> Choice:
    """Load the named model, or else the embedded one, and say which it is and why.

    "auto" means the article's own classifier. Raises ValueError for an unknown name and whatever `load` raises if
    even the embedded model fails.
    """
    model = find(PREFERRED if name == "auto" else name)
    try:
        load(model.name, progress)
    except (HubError, WeightsError) as error:
        if model.name == FALLBACK:
            raise
        load(FALLBACK)
        return Choice(FALLBACK, _fallback_reason(model, error, by_name=name != "auto"))
    reason = f"{model.name} is speaking, with weights from {model.origin}."
    if _is_published(model) is False:
        reason += " Its file is not the one that was published (the SHA-256 differs)."
    return Choice(model.name, reason)


def availability() -> list[dict]:
    """One dict per model, ready for JSON, on whether it can be loaded now. Takes at most LISTING_SECONDS."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_describe, MODELS.values()))


def fingerprint(name: str) -> str | None:
    """SHA-256 of the named model's weights file; None if it is not on this machine. ValueError for an unknown name."""
    path = _on_disk(find(name))
    return weights.sha256(path) if path else None


# -------------------------------------------------------------------------------------------------------- loading


class _SharedNetwork:
    """One network, loaded by the first caller while the others wait for the outcome."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._network: nn.Module | None = None
        self._failure: Exception | None = None
        self._failed_at = 0.0

    @property
    def loaded(self) -> bool:
        return self._network is not None

    def get(self, progress: Progress | None) -> nn.Module:
        called_at = time.monotonic()
        with self._lock:
            if self._network is None:
                if self._failure and self._failed_at > called_at:
                    # It failed while this caller waited. Ten callers must not wait ten times for a silent Hub.
                    raise self._failure.with_traceback(None)
                try:
                    self._network = _read(self._model, progress)
                except (HubError, WeightsError) as error:
                    self._failure, self._failed_at = error, time.monotonic()
                    raise
            return self._network


_networks: dict[Model, _SharedNetwork] = {}  # one per process: networks are large, and all requests share them


def _shared_network(model: Model) -> _SharedNetwork:
    return _networks.setdefault(model, _SharedNetwork(model))


def _read(model: Model, progress: Progress | None) -> nn.Module:
    """The model's network with its weights; an unusable file from the Hub is removed from the cache."""
    with torch.device("meta"):  # or 33 million random numbers would be drawn only to be overwritten
        network = model.network()
    if isinstance(model.weights, Path):
        return weights.load_into(network, model.weights).eval()
    path = hub.fetch(model.weights, progress)
    try:
        return weights.load_into(network, path).eval()
    except WeightsError as error:
        if _is_published(model):  # then the file is not damaged, and another copy would be the same
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
    except OSError:  # another caller that failed has just removed it
        return None


# ------------------------------------------------------------------------------------------------------ reporting


def _fallback_reason(model: Model, error: HubError | WeightsError, by_name: bool) -> str:
    """Why the embedded model replaces this one. Files on the Hub are mentioned only if it was chosen by name."""
    if isinstance(error, HubError) and not by_name:
        return f"The embedded classifier is speaking: {error.fault}."
    file = model.weights.path if isinstance(model.weights, HubFile) else model.weights.name
    failed = "cannot be fetched" if isinstance(error, HubError) else "cannot be used"
    instead = f" in place of {model.name}" if by_name else ""
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
    """Whether the model can be loaded now, and its status in words."""
    if _shared_network(model).loaded:
        return True, "loaded"
    if isinstance(model.weights, Path):
        exists = model.weights.is_file()
        return exists, "in this repository" if exists else f"{model.weights.name} is missing"
    if hub.cached(model.weights):
        return True, "in the cache"
    try:
        hub.probe(model.weights, timeout=LISTING_SECONDS, max_age=PROBE_MAX_AGE_SECONDS)
    except HubError as error:
        return False, error.fault
    return True, "on the Hub, not fetched yet"
