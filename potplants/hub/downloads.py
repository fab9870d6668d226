"""Downloads into the cache: progress, resumption, and limits on size and waiting time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.utils import tqdm

from potplants.catalogue import HubFile
from potplants.hub import metadata
from potplants.hub.background import in_background
from potplants.hub.cache import delete, delete_partial_downloads
from potplants.hub.client import UnexpectedContentError, endpoint
from potplants.hub.errors import TRY_LATER, HubError, caused_by, hub_error

MAX_BYTES = 2 * 10**9  # of a file; the largest published here has 131 MB
STALL_SECONDS = 4.0  # without a single byte, after which a download is no longer waited for
SLOW_SECONDS = 120.0  # the longest wait for a download that makes progress: the published 131 MB at 1 MB/s
_POLL_SECONDS = 0.1

Progress = Callable[[float], object]  # called with the fraction downloaded, 0…1


@dataclass(frozen=True)
class Terms:
    """How a file is asked for, and how much of it and how long is waited for."""

    token: str | bool | None = None  # False: none is sent; None: the one that `huggingface_hub` finds, if any
    max_bytes: int | None = None  # None: MAX_BYTES
    seconds: float | None = None  # the longest wait for a download that makes progress; None: SLOW_SECONDS


# One per process, so that callers join a running download: (endpoint, file, token) → the latest download.
_downloads: dict[tuple[str, HubFile, str | bool | None], Download] = {}
_lock = threading.Lock()


def download(file: HubFile, progress: Progress | None, size: int | None, terms: Terms) -> Path:
    """Join the running download of this file, or start one; `size` is what the Hub announced."""
    hub = endpoint()
    key = hub, file, terms.token
    with _lock:
        running = _downloads.get(key)
        if running is None or running.outcome.done():
            running = _downloads[key] = Download(hub, file, size or terms.max_bytes or MAX_BYTES, terms.token)
    if fault := running.follow(progress, terms.seconds):
        raise HubError(file, fault, f"it goes on by itself; {TRY_LATER}")
    try:
        path = running.outcome.result()
    except Exception as error:
        raise hub_error(file, error, STALL_SECONDS) from error
    if progress is not None:
        progress(1.0)
    return path


class Download:
    """One download in the background. It goes on after callers have stopped waiting: a late file is still cached."""

    def __init__(self, hub: str, file: HubFile, max_bytes: int, token: str | bool | None = None) -> None:
        self.fraction = 0.0
        self._progressed_at = time.monotonic()
        self.outcome: Future[Path] = in_background(self._run, hub, file, max_bytes, token)

    def follow(self, progress: Progress | None, seconds: float | None = None) -> str:
        """Wait while bytes arrive, up to `seconds`; returns "" at the end, else why it is no longer waited for."""
        seconds = SLOW_SECONDS if seconds is None else seconds
        joined = time.monotonic()
        while not wait([self.outcome], timeout=_POLL_SECONDS).done:
            if progress is not None:
                progress(self.fraction)
            now = time.monotonic()
            if now - max(joined, self._progressed_at) > STALL_SECONDS:
                return f"the Hub sent nothing for {STALL_SECONDS:g} s, at {self.fraction:.0%}"
            if now - joined > seconds:
                return f"the Hub is slow: {self.fraction:.0%} has come after {seconds:g} s"
        return ""

    def _run(self, hub: str, file: HubFile, max_bytes: int, token: str | bool | None) -> Path:
        def attempt() -> Path:
            return Path(
                hf_hub_download(
                    file.repo,
                    file.path,
                    revision=file.revision,
                    endpoint=hub,
                    token=token,
                    etag_timeout=metadata.PROBE_SECONDS,
                    tqdm_class=_reporting_bar(self._report, max_bytes),
                )
            )

        def file_in_cache() -> Path:
            path = attempt()
            if path.is_file():
                delete_partial_downloads(path)
                return path
            delete(path)  # something else has the file's place in the cache, and the library returned that
            return attempt()

        try:
            return file_in_cache()
        except Exception as error:
            # The library resumes a connection that ends early but not one that is reset, so start once more.
            if not caused_by(error, ConnectionResetError):
                raise
            return file_in_cache()

    def _report(self, count: float, done: float, size: float | None) -> None:
        if count > 0:
            self._progressed_at = time.monotonic()
        if size:
            self.fraction = max(self.fraction, min(done / size, 1.0))  # never backwards, also after a restart


def _reporting_bar(report: Callable[[float, float, float | None], None], max_bytes: int) -> type[tqdm]:
    """The terminal's usual progress bar, which also calls `report` on each update with count, done so far, size.

    It is updated before the bytes are written, and raises UnexpectedContentError beyond `max_bytes`.
    """

    class Bar(tqdm):
        def __init__(self, *args, total: float | None = None, initial: float = 0, **kwargs) -> None:
            self._size, self._done = total, initial  # kept here too: without a terminal, tqdm counts nothing
            super().__init__(*args, total=total, initial=initial, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            self._done += n or 0
            if self._done > max_bytes:
                raise UnexpectedContentError(f"more than {max_bytes} bytes")
            report(n or 0, self._done, self._size)
            return super().update(n)

    return Bar
