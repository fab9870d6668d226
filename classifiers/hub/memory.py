"""Networks of the Hub in memory: the most recently used, up to a number of bytes; each is loaded once.

Visitors who want the same network wait for one load, and see its progress; others are not held up. A load that fails
leaves nothing behind, and those who waited for it get its reason.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ..classifier import Progress
from .loading import Loaded

POLL_SECONDS = 0.1  # between two looks whether somebody who waits has left
_EXPECTED = (OSError, ValueError)  # HubError, RepositoryError: reasons that hold for all who wait; others are one's own


_listeners: list[Callable[[], object]] = []  # one list per process, as there is one memory


def on_forgotten(listener: Callable[[], object]) -> None:
    """Call `listener` whenever networks are let go, so that whoever keeps something of them can let go too."""
    if listener not in _listeners:
        _listeners.append(listener)


def forgotten() -> None:
    """Tell the listeners."""
    for listener in _listeners:
        listener()


class Memory:
    """Loaded networks by name, at most `most_bytes` of them, but always the one loaded last."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[str, Loaded] = OrderedDict()  # least recently used first
        self._loads: dict[str, _Load] = {}
        self._lock = threading.Lock()  # held for moments only

    def find(self, name: str) -> Loaded | None:
        """What is kept under a name, now used most recently."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def get(self, name: str, load: Callable[[Progress], Loaded], progress: Progress | None = None) -> Loaded:
        """What is kept under a name, or what `load(progress)` returns. Raises what `load` or `progress` raises."""
        asked = time.monotonic()
        with self._lock:
            running = self._loads.setdefault(name, _Load())
            running.users += 1
        try:
            running.wait(progress)
            try:
                return self.find(name) or self._load(name, load, running, progress, asked)
            finally:
                running.lock.release()
        finally:
            with self._lock:
                running.users -= 1
                if not running.users:
                    self._loads.pop(name, None)

    def _load(self, name, load, running, progress, asked) -> Loaded:
        if running.failure is not None and running.failed_at >= asked:
            raise running.failure.with_traceback(None)

        def report(fraction: float) -> None:
            running.fraction = fraction
            if progress is not None:
                progress(fraction)

        try:
            loaded = load(report)
        except _EXPECTED as error:
            running.failure, running.failed_at = error, time.monotonic()
            raise
        self._keep(name, loaded)
        return loaded

    def _keep(self, name: str, loaded: Loaded) -> None:
        with self._lock:
            self._kept[name] = loaded
            self._kept.move_to_end(name)
            before = len(self._kept)
            while len(self._kept) > 1 and sum(kept.size for kept in self._kept.values()) > self.most_bytes:
                self._kept.popitem(last=False)
            fewer = len(self._kept) < before
        if fewer:
            forgotten()


class _Load:
    """One network that is being loaded, by whoever holds the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0  # who load or wait
        self.fraction = 0.0
        self.failure: Exception | None = None
        self.failed_at = 0.0

    def wait(self, progress: Progress | None) -> None:
        """Take the lock; while others hold it, report their progress. Raises what `progress` raises."""
        while not self.lock.acquire(timeout=POLL_SECONDS):
            if progress is not None:
                progress(self.fraction)
