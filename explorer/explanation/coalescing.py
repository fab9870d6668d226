"""Request coalescing: concurrent requests for the same result compute it once, and the last results are cached."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock

from gradcam import Cancelled

POLL_SECONDS = 0.2  # how often waiting requests report progress and check whether they are cancelled


class SharedResult:
    """One result, computed by the first request for it while the others wait.

    An exception from a request's `progress` ends that request's wait. Cancelled ends the computation only if no other
    request is waiting.
    """

    def __init__(self):
        self._computing, self._waiting = Lock(), set()
        self._at: tuple[float, str] | None = None  # the last progress of the computation
        self.filled, self.result = False, None

    def get(self, make: Callable, progress: Callable[..., None]):
        """The result; computed now by `make(progress)` unless it is there or being computed."""
        self._acquire(progress)
        try:
            if not self.filled:
                self.result, self.filled = make(partial(self._report, progress)), True
            return self.result
        finally:
            self._at = None
            self._computing.release()

    def _acquire(self, progress):
        token = object()
        self._waiting.add(token)
        try:
            while not self._computing.acquire(timeout=POLL_SECONDS):
                if at := self._at:
                    progress(at[0], task=at[1])
        finally:
            self._waiting.discard(token)

    def _report(self, progress, part, task):
        self._at = part, task
        try:
            progress(part, task=task)
        except Cancelled:
            if not self._waiting:
                raise


class ResultCache:
    """The last `limit` results by key, least recently used out first; concurrent requests for a key share one.

    bytes_of: the size of a result. Together they have at most `most_bytes`, but the last one always stays.
    """

    def __init__(self, limit: int, most_bytes: int | None = None, bytes_of: Callable[..., int] = len):
        self._limit, self._most_bytes, self._bytes_of = limit, most_bytes, bytes_of
        self._lock = Lock()
        self._results: OrderedDict = OrderedDict()

    def __len__(self):
        return len(self._results)

    def get(self, key, make: Callable, progress: Callable[..., None]):
        """The result for the key, computed by `make(progress)` unless it is cached."""
        with self._lock:
            shared = self._results.setdefault(key, SharedResult())
            self._results.move_to_end(key)
            while len(self._results) > self._limit:
                self._results.popitem(last=False)
        result = shared.get(make, progress)
        if self._most_bytes is not None:
            self._shrink(self._most_bytes)
        return result

    def _shrink(self, most_bytes):
        with self._lock:
            sizes = {key: self._bytes_of(one.result) for key, one in self._results.items() if one.filled}
            excess = sum(sizes.values()) - most_bytes
            for key, size in list(sizes.items())[:-1]:
                if excess <= 0:
                    return
                del self._results[key]
                excess -= size

    def peek(self, key):
        """The result for the key if it is there, else None; never waits."""
        with self._lock:
            shared = self._results.get(key)
        return shared.result if shared and shared.filled else None
