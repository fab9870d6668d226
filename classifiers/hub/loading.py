"""From a repository or a folder to a classifier: the order of the checks, and what is fetched after which of them.

Nothing but JSON and safetensors is ever fetched or opened. The library sees a folder of links to the checked files;
what else lies in a repository or in the cache (pickles, Python, adapters that name other repositories) is not there.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch import nn

from potplants.hub import HubFile, Terms, fetch

from ..classifier import Classifier, Progress
from . import configuration, from_timm, from_transformers, headers, listing, processors
from .assembled import Assembled, Kind
from .layers import layers_of
from .listing import CONFIGURATION, INDEX, INDEX_BYTES, JSON_BYTES, WEIGHTS, Listing
from .policy import HubPolicy, RepositoryError, Unusable
from .reference import Reference

DOWNLOAD_SECONDS = 1800.0  # for one file that makes progress: 1 GB at 600 kB/s

# Both libraries change settings of the whole process while they build a network: one is built at a time.
_building = threading.Lock()


_TIMM: Kind = from_timm
_TRANSFORMERS: Kind = from_transformers


class Loaded(NamedTuple):
    """A network with all that a classifier says of it."""

    network: nn.Module
    classifier: Classifier  # whose network is found through `load`

    @property
    def size(self) -> int:
        """Bytes of the network's tensors."""
        tensors = (*self.network.parameters(), *self.network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


Source = Callable[[str], Path]  # name of a file in the repository → its path on this machine


@contextmanager
def refusals_of(name: str) -> Iterator[None]:
    """Unusable becomes a RepositoryError of that name."""
    try:
        yield
    except Unusable as error:
        raise RepositoryError(name, error.fault, error.remedy) from error


def listed(reference: Reference, policy: HubPolicy) -> Listing:
    """What a repository holds, where it may be loaded. Raises RepositoryError, HubError."""
    with refusals_of(str(reference)):
        if not policy.enabled:
            raise Unusable("this server loads nothing from the Hub", "choose a classifier of the catalogue")
        return listing.listing(reference, policy)


def from_hub(found: Listing, policy: HubPolicy, find: Callable, progress: Progress | None) -> Loaded:
    """A repository's classifier at a commit; its files are looked for in the cache first.

    `find` becomes the classifier's `load`. Raises RepositoryError, HubError, and what `progress` raises.
    """
    with refusals_of(str(found.reference)):
        source = partial(_fetched, found, policy, _Share(found, progress))
        assembled = _assembled(source, frozenset(found.sizes), partial(listing.check_size, found, policy=policy))
        return _loaded(assembled, found.reference.repo, find, found.commit)


def from_folder(folder: Path, policy: HubPolicy) -> Classifier:
    """The classifier of a folder as a repository is laid out. Raises RepositoryError. The network stays in memory."""

    def check_size(names: tuple[str, ...]) -> None:
        total = sum((folder / name).stat().st_size for name in names)
        if total > policy.limit_bytes:
            raise listing.too_large(total, policy)

    name = str(folder)
    try:
        files = frozenset(path.name for path in folder.iterdir() if path.is_file())
        with refusals_of(name):
            assembled = _assembled(lambda file: folder / file, files, check_size)
            network = assembled.network
            return _loaded(assembled, name, lambda progress=None: network, None).classifier
    except OSError as error:
        raise RepositoryError(name, f"it cannot be read ({error.strerror})", "check the path") from error


def _assembled(source: Source, files: frozenset[str], check_size: Callable) -> Assembled:
    """All steps in their order. files: the names that there are; check_size: raises Unusable for too many bytes."""
    if CONFIGURATION not in files:
        raise Unusable("it has no config.json", "choose one that transformers or timm can load")
    paths = {CONFIGURATION: source(CONFIGURATION)}
    config = configuration.read(paths[CONFIGURATION], JSON_BYTES)
    configuration.check(config, CONFIGURATION)
    kind = _TIMM if "architecture" in config and "model_type" not in config else _TRANSFORMERS
    kind.check(config)
    if missing := [name for name in kind.files if name not in files]:
        raise Unusable(f"it has no {missing[0]}, so nobody knows how it wants its photo")
    paths |= {name: source(name) for name in kind.files}
    weights = _weights(source, files, paths)
    check_size((*paths, *weights))
    paths |= {name: source(name) for name in weights}
    held = headers.shapes([paths[name] for name in weights])
    with tempfile.TemporaryDirectory(prefix="classifier-") as folder, _building:
        linked = _linked(Path(folder), paths)
        return kind.assemble(Path(folder), config, [linked[name] for name in weights], held)


def _weights(source: Source, files: frozenset[str], paths: dict[str, Path]) -> tuple[str, ...]:
    """The names of the files of weights; an index, where there is one, is read and added to `paths`."""
    if WEIGHTS in files:
        return (WEIGHTS,)
    if INDEX not in files:
        raise Unusable(
            "it has no weights as model.safetensors", "choose one with safetensors: other files can run code"
        )
    paths[INDEX] = source(INDEX)
    names = listing.shards(configuration.read(paths[INDEX], INDEX_BYTES))
    if missing := [name for name in names if name not in files]:
        raise Unusable(f"it has no {missing[0][:60]}, which the index of its weights names")
    return names


def _linked(folder: Path, paths: dict[str, Path]) -> dict[str, Path]:
    """Links to the checked files in a folder of their own. name → the link."""
    for name, path in paths.items():
        (folder / name).symlink_to(path.resolve())
    return {name: folder / name for name in paths}


def _loaded(assembled: Assembled, name: str, find: Callable, commit: str | None) -> Loaded:
    network, preprocessing, classes = assembled
    classifier = Classifier(
        name=name,
        classes=classes,
        layers=layers_of(network, processors.grey(preprocessing)),
        preprocessing=preprocessing,
        load=find,
        origin=f"the Hugging Face Hub ({name})" if commit else f"a folder of this machine ({name})",
        trained_on="what its page on the Hub says" if commit else "what whoever made the folder knows",
        revision=commit,
    )
    return Loaded(network, classifier)


def _fetched(found: Listing, policy: HubPolicy, share: _Share, name: str) -> Path:
    """A file of the repository in the cache, downloaded where it is not. Raises Unusable, HubError."""
    terms = Terms(found.token, found.sizes[name] or policy.limit_bytes, DOWNLOAD_SECONDS)
    if name == CONFIGURATION:  # of a size that nobody may have announced
        terms = Terms(found.token, min(terms.max_bytes or JSON_BYTES, JSON_BYTES), DOWNLOAD_SECONDS)
    path = fetch(HubFile(found.reference.repo, name, found.commit), share.of(name), terms)
    share.add(name, path)
    if share.done > policy.limit_bytes:
        raise listing.too_large(share.done, policy)
    return path


class _Share:
    """The progress of several downloads as one, by the sizes that the Hub announced."""

    def __init__(self, found: Listing, progress: Progress | None) -> None:
        self._sizes, self._progress, self.done = found.sizes, progress, 0

    def of(self, name: str) -> Callable[[float], object] | None:
        """What is to be called with the fraction of one file, 0…1."""
        progress = self._progress
        if progress is None:
            return None
        size = self._sizes[name] or 0
        total = max(1, self._needed())
        return lambda fraction: progress(min(1.0, (self.done + fraction * size) / total))

    def add(self, name: str, path: Path) -> None:
        """Count a file that has come."""
        self.done += path.stat().st_size

    def _needed(self) -> int:
        """Bytes of all files that may be needed: JSON and safetensors."""
        return sum(size or 0 for name, size in self._sizes.items() if listing.is_needed(name))
