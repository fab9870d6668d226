"""A copy in progress: which object was copied to which, which copies are still empty, and what came of it."""

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .python_objects import SIMPLE_TYPES, references

CopyFunction = Callable[["CopySession", Any], Any]  # session, original → copy, perhaps still to be filled


class CopySession:
    """Copies each object once, however the objects refer to each other.

    choose: type of an object → the function that copies it.
    private_parameters: ids of the parameters that get memory of their own.
    """

    def __init__(self, choose: Callable[[type], CopyFunction], private_parameters: frozenset[int]):
        self._choose = choose
        self._copies: dict[int, Any] = {}  # id of the original → its copy
        self._originals: list = []  # kept alive, so that no id is used twice
        self._copy_functions: dict[type, CopyFunction] = {}  # of the types met so far
        self._unfilled: list[tuple] = []  # (function that fills, original, its copy, still empty)

        self.modules: set[int] = set()  # ids of the originals
        self.registered: set[int] = set()  # of those, the ones that the model's `modules` lists
        self.class_attributes: dict[type, dict] = {}  # type of module → what its instances share and may change
        self.forward_hooks: list[tuple[dict, dict]] = []  # to be filled in the end

        self.private_parameters = private_parameters
        self.shared_memory: set[int | None] = set()  # where parameters lie, but for private ones
        self.private_memory: set[int | None] = set()  # where private ones lie
        self.own_memory: dict[int, torch.UntypedStorage] = {}  # address of an original's memory → the copy's own
        self.storages: list[tuple[Tensor, Tensor]] = []  # (original's, copy's) memory as bytes, where it is not shared
        self.aliases: list[tuple[Tensor, Tensor]] = []  # (original, copy) of tensors whose memory is shared
        self.clones: list[tuple[Tensor, Tensor]] = []  # ... of tensors that have memory of their own
        self.generators: list[tuple[torch.Generator, torch.Generator]] = []

        self.dicts: list[tuple[dict, dict]] = []  # (original, copy); the attributes of modules and objects among them
        self.lists: list[tuple] = []  # and sets and deques
        self.cells: list[tuple[types.CellType, types.CellType]] = []
        self.opaque = False  # whether anything was copied whose contents are in none of these lists

    def copy_of(self, value: Any) -> Any:
        if type(value) in SIMPLE_TYPES:
            return value
        if id(value) not in self._copies:
            self.register(value, self._copy(value))
        return self._copies[id(value)]

    def register(self, value, copied):
        self._copies[id(value)] = copied
        self._originals.append(value)
        return copied

    def __contains__(self, value) -> bool:
        return id(value) in self._copies

    def __getitem__(self, identity: int) -> Any:
        """The copy of the object with this id."""
        return self._copies[identity]

    @property
    def memo(self) -> dict[int, Any]:
        """What was copied so far, for `copy.deepcopy`."""
        return self._copies

    def _copy(self, value):
        kind = type(value)
        if kind not in self._copy_functions:
            self._copy_functions[kind] = self._choose(kind)
        return self._copy_functions[kind](self, value)

    def fill_later(self, fill: Callable[["CopySession", Any, Any], None], original, copied):
        """Containers are filled once they are registered, since they may contain themselves."""
        self._unfilled.append((fill, original, copied))
        return copied

    def fill_all(self):
        while self._unfilled:
            fill, original, copied = self._unfilled.pop()
            fill(self, original, copied)

    def leads_to_copied(self, value, seen: set[int]) -> bool:
        """Whether a value refers, directly or not, to an object whose copy is another one."""
        if type(value) in SIMPLE_TYPES or id(value) in seen:
            return False
        seen.add(id(value))
        if self._copies.get(id(value), value) is not value:
            return True
        return any(self.leads_to_copied(one, seen) for one in references(value))
