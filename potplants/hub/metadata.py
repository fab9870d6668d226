"""Metadata on the Hub, with a time limit.

Of a file: one HEAD request, shared by all who ask at the same time. Of a repository: its commit and list of files.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from huggingface_hub import HfApi, ModelInfo, errors, get_hf_file_metadata, hf_hub_url

from potplants.catalogue import HubFile
from potplants.hub.background import in_background
from potplants.hub.client import endpoint
from potplants.hub.errors import hub_error

PROBE_SECONDS = 3.0  # a Hub that is up answers within one

# One per process, so that callers share requests: (endpoint, file, token) → (time of the request, its response).
_requests: dict[tuple[str, HubFile, str | bool | None], tuple[float, Future]] = {}
_lock = threading.Lock()


def probe(
    file: HubFile, *, timeout: float | None = None, max_age: float = 0.0, token: str | bool | None = None
) -> int | None:
    """The file's size as announced by the Hub, if it is, or HubError where the Hub would not serve the file now.

    Waits `timeout` seconds (PROBE_SECONDS). A response or pending request not older than `max_age` seconds is reused.
    `token` is as in Terms.
    """
    timeout = PROBE_SECONDS if timeout is None else timeout
    sent_at, response = _recent_request(file, max_age, token)
    try:
        return response.result(timeout=max(0.0, sent_at + timeout - time.monotonic()))
    except Exception as error:
        raise hub_error(file, error, timeout) from error


def repository_info(repo: str, revision: str | None = None, *, token: str | bool | None = False) -> ModelInfo:
    """What the Hub says of a repository at a revision: its commit, its files with their sizes, whether it is gated.

    Waits PROBE_SECONDS. Raises HubError; the exception behind it is its `__cause__`.
    """
    response = in_background(_info, endpoint(), repo, revision, token)
    try:
        return response.result(timeout=PROBE_SECONDS)
    except Exception as error:
        raise hub_error(HubFile(repo, "the list of files", revision or "main"), error, PROBE_SECONDS) from error


def _info(hub: str, repo: str, revision: str | None, token: str | bool | None) -> ModelInfo:
    return HfApi(endpoint=hub).model_info(
        repo, revision=revision, timeout=PROBE_SECONDS, files_metadata=True, token=token
    )


def _recent_request(file: HubFile, max_age: float, token: str | bool | None) -> tuple[float, Future]:
    """When the last request for the file was sent, and its response to be; sends a new one if that is too old."""
    key = endpoint(), file, token
    with _lock:
        request = _requests.get(key)
        if request is None or time.monotonic() - request[0] > max_age:
            request = _requests[key] = time.monotonic(), in_background(_head, *key)
        return request


def _head(hub: str, file: HubFile, token: str | bool | None) -> int | None:
    url = hf_hub_url(file.repo, file.path, revision=file.revision, endpoint=hub)
    metadata = get_hf_file_metadata(url, timeout=PROBE_SECONDS, endpoint=hub, token=token)
    if metadata.commit_hash is None or metadata.etag is None:
        raise errors.FileMetadataError(f"{url} answers without the headers of a Hub.")
    return metadata.size
