"""A snapshot of what containers hold, to tell whether they changed and to restore them."""

from itertools import chain, compress, islice
from operator import is_

from .python_objects import cell_contents, replace_items, set_cell_contents


class Snapshot:
    """What some dictionaries, lists (or sets, deques) and closure cells held when it was taken."""

    def __init__(self, dicts: list, lists: list, cells: list):
        self._dicts, self._lists, self._cells = dicts, lists, cells
        self._then = self._now()

    def unchanged(self) -> bool:
        then, now = self._then, self._now()
        return then[:2] == now[:2] and len(then[2]) == len(now[2]) and all(map(is_, then[2], now[2]))

    def restore(self):
        if self.unchanged():
            return
        sizes, keys, values = map(iter, self._then)
        for held in self._dicts:
            size = next(sizes)
            replace_items(held, zip(islice(keys, size), islice(values, size)))
        for held in self._lists:
            replace_items(held, islice(values, next(sizes)))
        for cell, value in zip(self._cells, values):
            set_cell_contents(cell, value)

    def _now(self):
        """All containers' sizes, all keys, all values: three lists compare faster than their thousands of parts.

        Two in three are the empty dictionaries of modules' hooks, and passed over.
        """
        sizes = [*map(dict.__len__, self._dicts), *map(len, self._lists)]  # a subclass may count otherwise
        filled = [*compress(self._dicts, sizes)]
        keys = [*chain.from_iterable(filled)]
        values = chain.from_iterable((*map(dict.values, filled), *self._lists))
        return sizes, keys, [*values, *map(cell_contents, self._cells)]
