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
from potplants.hub.downloads import Progress
from potplants.hub.errors import HubError
from potplants.hub.metadata import probe

__all__ = ["HubError", "HubFile", "Progress", "cached", "endpoint", "evict", "fetch", "probe"]


def fetch(file: HubFile, progress: Progress | None = None) -> Path:
    """The file's path in the cache, downloaded if necessary; raises HubError with the reason where that fails.

    `progress` is called in this thread, and only if there is something to download. A connection that breaks is
    resumed where it broke. A download that stalls, or is too slow, is no longer waited for but goes on in the
    background, and the next call joins it; one that has failed for good is restarted, since `huggingface_hub` keeps
    no partial file.
    """
    path = cached(file)
    if path is None:
        size = probe(file)
        if size is not None and size > downloads.MAX_BYTES:
            raise HubError(file, f"it has more than {downloads.MAX_BYTES / 10**9:g} GB", "choose another model")
        path = downloads.download(file, progress, size)
    return path
