"""Files from the Hugging Face Hub: the cache first, then a brief metadata request, then the download.

`huggingface_hub` does the work. What is added here is bounded waiting: left to itself it waits 24 s for a Hub that
refuses and minutes for one that never answers. Each step that uses the network runs in a background thread, where
name resolution and half-open connections cannot block the caller, and is waited for with a time limit.
"""

from __future__ import annotations

from pathlib import Path

from potplants.catalogue import HubFile
from potplants.hub import downloads
from potplants.hub.cache import cached, evict
from potplants.hub.client import endpoint
from potplants.hub.downloads import Progress, Terms
from potplants.hub.errors import HubError
from potplants.hub.metadata import probe, repository_info

__all__ = [
    "HubError",
    "HubFile",
    "Progress",
    "Terms",
    "cached",
    "endpoint",
    "evict",
    "fetch",
    "probe",
    "repository_info",
]


def fetch(file: HubFile, progress: Progress | None = None, terms: Terms | None = None) -> Path:
    """The file's path in the cache, downloaded if necessary; raises HubError with the reason where that fails.

    `progress` is called in this thread, and only if there is something to download. A connection that breaks is
    resumed where it broke. A download that stalls, or is too slow, is no longer waited for but goes on in the
    background, and the next call joins it; one that has failed for good is restarted, since `huggingface_hub` keeps
    no partial file.
    """
    terms = terms or Terms()
    path = cached(file)
    if path is None:
        size = probe(file, token=terms.token)
        limit = terms.max_bytes or downloads.MAX_BYTES
        if size is not None and size > limit:
            raise HubError(file, f"it has more than {_amount(limit)}", "choose another model")
        path = downloads.download(file, progress, size, terms)
    return path


def _amount(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 10**9:g} GB" if count >= 10**7 else f"{count} bytes"
