"""One result for all who ask for it at the same time: the first makes it, the others wait, and whoever leaves stops nothing that others wait for."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock

from gradcam import Cancelled

GLANCE = 0.2  # seconds after which those who wait look whether they still want to


class Shared:
    """A place for one result. What `tell` raises ends the wait of whoever it belongs to; Cancelled ends the making only once nobody else waits."""

    def __init__(self):
        self._making, self._waiting = Lock(), set()
        self._at = None  # how far the making is
        self.filled, self.result = False, None

    def get(self, make: Callable, tell: Callable[..., None]):
        """The result, made now by `make(progress)` unless it is there or being made."""
        self._take_turn(tell)
        try:
            if not self.filled:
                self.result, self.filled = make(partial(self._told, tell)), True
            return self.result
        finally:
            self._at = None
            self._making.release()

    def _take_turn(self, tell):
        mine = object()
        self._waiting.add(mine)
        try:
            while not self._making.acquire(timeout=GLANCE):
                if at := self._at:
                    tell(at[0], task=at[1])
        finally:
            self._waiting.discard(mine)

    def _told(self, tell, part, task):
        self._at = part, task
        try:
            tell(part, task=task)
        except Cancelled:
            if not self._waiting:
                raise


class Kept:
    """The last answers by their keys. Whoever comes first makes an answer; who asks for the same meanwhile waits for it."""

    def __init__(self, limit: int):
        self._limit, self._lock = limit, Lock()
        self._places: OrderedDict = OrderedDict()

    def __len__(self):
        return len(self._places)

    def of(self, key, make: Callable, tell: Callable[..., None]):
        """`make(progress)`, unless its answer is there."""
        with self._lock:
            place = self._places.setdefault(key, Shared())
            self._places.move_to_end(key)
            while len(self._places) > self._limit:
                self._places.popitem(last=False)
        return place.get(make, tell)

    def found(self, key):
        """The answer, if it is there; nobody waits."""
        with self._lock:
            place = self._places.get(key)
        return place.result if place and place.filled else None
