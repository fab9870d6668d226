"""Any image classifier of the Hugging Face Hub, by its repository's name: loaded, checked and run without its code.

`load("owner/name")` or `load("owner/name@revision")`, of transformers' or timm's repositories; `from_folder` for the
command line. The libraries are imported when a repository of theirs is loaded.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import nn

from potplants.hub import HubError

from ..classifier import Classifier, Progress
from . import loading
from .listing import Listing
from .loading import Loaded
from .memory import Memory, forgotten
from .policy import HubPolicy, RepositoryError
from .reference import Reference, parse

__all__ = ["HubError", "HubPolicy", "RepositoryError", "find", "from_folder", "load", "use"]

_policy = HubPolicy()
_memory = Memory(_policy.kept_bytes)
_commits: dict[str, str] = {}  # name of a repository as it was asked for → the key of its commit in the memory


def use(policy: HubPolicy) -> None:
    """Set what this process allows. Networks that are loaded are forgotten."""
    global _policy, _memory
    _policy, _memory = policy, Memory(policy.kept_bytes)
    _commits.clear()
    forgotten()


def load(name: str, progress: Progress | None = None) -> Classifier:
    """The classifier of a repository, its network loaded. `progress` is called with a fraction, 0…1, and may raise.

    Raises ValueError for a name that no repository can have, RepositoryError (a ValueError) for a repository that
    cannot be used, HubError for trouble with the network, each in one sentence. What is loaded is not looked for again.
    """
    reference = parse(name)
    if kept := _kept(reference):
        return kept
    found = loading.listed(reference, _policy)
    loaded = _at_commit(found, progress)
    _commits[str(reference)] = _key(found)
    return replace(loaded.classifier, name=str(reference))


def find(name: str) -> Classifier:
    """The classifier of a repository that is loaded. Raises ValueError for one that is not."""
    kept = _kept(parse(name))
    if kept is None:
        raise ValueError(f"{name} is not loaded: load it before asking it.")
    return kept


def from_folder(path: str | Path, policy: HubPolicy | None = None) -> Classifier:
    """The classifier of a folder with the files of a repository, checked as one is. Raises RepositoryError."""
    return loading.from_folder(Path(path), policy or _policy)


def _kept(reference: Reference) -> Classifier | None:
    loaded = _memory.find(_commits.get(str(reference), ""))
    return replace(loaded.classifier, name=str(reference)) if loaded else None


def _at_commit(found: Listing, progress: Progress | None) -> Loaded:
    return _memory.get(_key(found), partial(loading.from_hub, found, _policy, partial(_network, found)), progress)


def _network(found: Listing, progress: Progress | None = None) -> nn.Module:
    """The network of a classifier that was loaded before; where it is forgotten, the same commit is loaded again."""
    return _at_commit(found, progress).network


def _key(found: Listing) -> str:
    return f"{found.reference.repo}@{found.commit}"
