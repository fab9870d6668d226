"""Tensors in memory mappings of their own, so that freeing a cached one does not fragment the heap."""

import mmap
from contextlib import suppress

import torch


def in_own_memory(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in an anonymous mapping of its own: freed as a whole, it goes back to the system and leaves no hole."""
    memory = _mapping(tensor.nbytes)
    return torch.frombuffer(memory, dtype=tensor.dtype).view(tensor.shape).copy_(tensor)


def _mapping(size):
    """Private and in large pages where the system has them: a photo's maps have 960 small ones, each a page fault."""
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
