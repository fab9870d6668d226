"""Tensors in memory mappings of their own, so that freeing a cached one does not fragment the heap."""

import mmap

import torch


def in_own_memory(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in an anonymous mapping of its own: freed as a whole, it goes back to the system and leaves no hole."""
    memory = mmap.mmap(-1, tensor.nbytes)
    return torch.frombuffer(memory, dtype=tensor.dtype).view(tensor.shape).copy_(tensor)
