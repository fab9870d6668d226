"""Copies of tensors: parameters share memory with the original, other tensors get their own; views stay views."""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .copy_session import CopySession

_PLAIN_DISPATCH = Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]  a C function, seen as a method


def copy_tensor(session: CopySession, tensor):
    if is_lazy(tensor):
        raise ValueError(
            "expected a model whose weights are there, but a lazy layer of it has not seen an image yet: "
            "run the model once"
        )
    if tensor.is_meta:
        raise ValueError("expected a model whose weights are there, but some are on the meta device: load them first")
    copied, pairs = _same_values(session, tensor)
    if type(tensor) is not Tensor and type(copied) is not type(tensor):  # Parameter and its subclasses
        copied = Tensor._make_subclass(type(tensor), copied, False)
    pairs.append((tensor, copied))
    return session.fill_later(_fill_attributes, tensor, copied)


def _same_values(session, tensor):
    """A tensor in the copy's memory, and the session's list for such pairs of tensors.

    Memory is shared where parameters lie and the copy's own elsewhere; views of one memory stay views of one.
    """
    memory = memory_of(tensor)
    if memory is None or type(tensor).__torch_dispatch__ is not _PLAIN_DISPATCH:
        session.opaque = True  # sparse, quantised, or of a class with its own dispatch
        if isinstance(tensor, nn.Parameter):
            return tensor.detach(), session.aliases
        return tensor.detach().clone(), session.clones
    in_private_memory = id(tensor) in session.private_parameters or memory in session.private_memory
    private = in_private_memory or tensor.is_inference()
    if not private and (isinstance(tensor, nn.Parameter) or memory in session.shared_memory):
        return tensor.detach(), session.aliases
    return _in_own_memory(session, tensor, memory), session.clones


def _in_own_memory(session, tensor, memory):
    if memory not in session.own_memory:
        session.own_memory[memory] = own = tensor.untyped_storage().clone()
        session.storages.append((_as_bytes(tensor.untyped_storage()), _as_bytes(own)))
    with torch.inference_mode(False):  # autograd takes no tensor that was made in inference mode
        copied = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        copied.set_(session.own_memory[memory], tensor.storage_offset(), tensor.shape, tensor.stride())
    if tensor.is_conj():
        return copied.conj()
    if tensor.is_neg():
        return torch._neg_view(copied)  # pyright: ignore[reportPrivateImportUsage]  torch has no public function for it
    return copied


def _fill_attributes(session, tensor, copied):
    if vars(tensor):
        session.dicts.append((vars(tensor), vars(copied)))
        vars(copied).update({name: session.copy_of(item) for name, item in vars(tensor).items()})


def copy_generator(session: CopySession, generator):
    copied = torch.Generator(generator.device).set_state(generator.get_state())
    session.generators.append((generator, copied))
    return copied


def memory_of(tensor) -> int | None:
    """The address of a tensor's memory; None for kinds that have no single one, such as sparse tensors."""
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError, ValueError):
        return None


def _as_bytes(storage):
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
