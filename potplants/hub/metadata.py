"""A file's metadata on the Hub: one HEAD request, with a time limit, shared by all who ask at the same time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

from potplants.catalogue import HubFile
from potplants.hub.background import in_background
from potplants.hub.client import endpoint
from potplants.hub.errors import hub_error

PROBE_SECONDS = 3.0  # a Hub that is up answers within one

# One per process, so that callers share requests: (endpoint, file) → (time of the request, its response).
_requests: dict[tuple[str, HubFile], tuple[float, Future]] = {}
_lock = threading.Lock()


def probe(file: HubFile, *, timeout: float | None = None, max_age: float = 0.0) -> int | None:
    """The file's size as announced by the Hub, if it is, or HubError where the Hub would not serve the file now.

    Waits `timeout` seconds (PROBE_SECONDS). A response or pending request not older than `max_age` seconds is reused.
    """
    timeout = PROBE_SECONDS if timeout is None else timeout
    sent_at, response = _recent_request(file, max_age)
    try:
        return response.result(timeout=max(0.0, sent_at + timeout - time.monotonic()))
    except Exception as error:
        raise hub_error(file, error, timeout) from error


def _recent_request(file: HubFile, max_age: float) -> tuple[float, Future]:
    """When the last request for the file was sent, and its response to be; sends a new one if that is too old."""
    key = endpoint(), file
    with _lock:
        request = _requests.get(key)
        if request is None or time.monotonic() - request[0] > max_age:
            request = _requests[key] = time.monotonic(), in_background(_head, *key)
        return request


def _head(hub: str, file: HubFile) -> int | None:
    url = hf_hub_url(file.repo, file.path, revision=file.revision, endpoint=hub)
    metadata = get_hf_file_metadata(url, timeout=PROBE_SECONDS, endpoint=hub)
    if metadata.commit_hash is None or metadata.etag is None:
        raise errors.FileMetadataError(f"{url} answers without the headers of a Hub.")
    return metadata.size
