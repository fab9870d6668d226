"""What a repository holds and whether it may be opened, before any of its files is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass

from huggingface_hub import ModelInfo, errors, get_token

from potplants.hub import HubError, repository_info

from .policy import HubPolicy, Unusable, gigabytes
from .reference import Reference

CONFIGURATION = "config.json"
PREPROCESSING = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
JSON_BYTES = 10**6  # of a configuration; that of ImageNet's 21 841 classes has about this much with its labels twice
INDEX_BYTES = 10**7
# A plain file name in the repository's own folder, whatever an index calls it.
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\.safetensors")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Listing:
    """A repository's files at a commit, as the Hub announces them."""

    reference: Reference
    commit: str  # 40 hexadecimal digits
    sizes: dict[str, int | None]  # name in the repository → bytes, None where the Hub does not say
    token: str | bool  # with which it was asked for; False: none

    @property
    def weights(self) -> tuple[str, ...]:
        """The files that are read first: the weights themselves, or the index of their shards."""
        return (WEIGHTS,) if WEIGHTS in self.sizes else (INDEX,)


def listing(reference: Reference, policy: HubPolicy) -> Listing:
    """Ask the Hub. Raises Unusable for what the policy or the repository itself forbids, HubError for the network."""
    token = (get_token() or False) if policy.allow_private else False
    try:
        info = repository_info(reference.repo, reference.revision, token=token)
    except HubError as error:
        raise _refusal(error, token) from error
    if (info.gated or info.private) and not token:
        raise _no_access()
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise Unusable("the Hub names no commit of it", "try again later")
    found = Listing(reference, info.sha, _sizes(info), token)
    _check(found, policy)
    return found


def shards(index: object) -> tuple[str, ...]:
    """The names of the files that an index of weights lists, each once. Raises Unusable for any other name."""
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise Unusable("the index of its weights lists no files")
    names = sorted({name if isinstance(name, str) else "" for name in weight_map.values()})
    if bad := next((name for name in names if not is_shard(name)), None):
        raise Unusable(f"the index of its weights names {bad[:60]!r}, which is no safetensors file of the repository")
    if "" in names or len(names) > 100:
        raise Unusable("the index of its weights is damaged")
    return tuple(names)


def is_needed(name: str) -> bool:
    """Whether a file may have to be fetched."""
    return name in (CONFIGURATION, PREPROCESSING, INDEX) or (bool(name) and is_shard(name))


def is_shard(name: str) -> bool:
    """Whether a file of that name may hold weights. "" is left to the caller."""
    return not name or _SHARD.fullmatch(name) is not None


def check_size(listing: Listing, names: tuple[str, ...], policy: HubPolicy) -> None:
    """Raises Unusable where a file is missing, or the files together are larger than is allowed."""
    if missing := [name for name in names if name not in listing.sizes]:
        raise Unusable(f"it has no {missing[0]}")
    if (total := sum(listing.sizes[name] or 0 for name in names)) > policy.limit_bytes:
        raise too_large(total, policy)


def too_large(total: int, policy: HubPolicy) -> Unusable:
    """The refusal of so many bytes."""
    allowed = gigabytes(policy.limit_bytes)
    return Unusable(f"it has {gigabytes(total)}, and at most {allowed} are loaded here", "choose a smaller one")


def _sizes(info: ModelInfo) -> dict[str, int | None]:
    files = [(file.rfilename, file.size) for file in info.siblings or [] if isinstance(file.rfilename, str)]
    return {name: size if isinstance(size, int) and size >= 0 else None for name, size in files}


def _check(found: Listing, policy: HubPolicy) -> None:
    if CONFIGURATION not in found.sizes:
        raise Unusable("it has no config.json", "choose a repository that transformers or timm can load")
    if not any(name in found.sizes for name in (WEIGHTS, INDEX)):
        raise Unusable(
            "it has no weights as model.safetensors", "choose one with safetensors: other files can run code"
        )
    if (found.sizes[CONFIGURATION] or 0) > JSON_BYTES:
        raise Unusable(f"its config.json has more than {gigabytes(JSON_BYTES)}")
    check_size(found, found.weights, policy)


def _refusal(error: HubError, token: str | bool) -> Exception:
    """Unusable where the Hub answered that the repository cannot be had, else the error itself."""
    cause = error.__cause__
    if isinstance(cause, errors.GatedRepoError):
        return _no_access()
    if isinstance(cause, errors.RevisionNotFoundError):
        return Unusable("the Hub has no such revision of it", "check the revision on its page")
    if isinstance(cause, errors.RepositoryNotFoundError):
        where = "the Hub has no such repository" if token else "the Hub has no such public repository"
        return Unusable(where, "check its name on the Hub's page")
    if isinstance(cause, errors.HfHubHTTPError) and cause.response.status_code in (401, 403):
        return _no_access()
    return error


def _no_access() -> Unusable:
    return Unusable("it is gated or private", "choose a public one, or let the server use its HF_TOKEN")
