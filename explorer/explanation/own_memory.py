"""Tensors in memory mappings of their own, so that freeing a cached one does not fragment the heap."""

import mmap

import torch

from gradcam.allocator import in_huge_pages


def in_own_memory(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in an anonymous mapping of its own: freed as a whole, it goes back to the system and leaves no hole."""
    own = torch.frombuffer(_mapping(tensor.nbytes), dtype=tensor.dtype).view(tensor.shape)
    return in_huge_pages(own).copy_(tensor)  # a photo's maps have 960 small pages, each a page fault


def _mapping(size):
    """Private, since shared memory gets no large pages."""
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
