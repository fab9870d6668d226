"""The backward: d target / d activation for all targets at all recorded layers."""

from contextlib import nullcontext

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .recording import Recording

LARGE = 1 << 20  # weights of a Linear above which the library's product with a few rows is worth replacing


def gradients(recording: Recording, cotangents: Tensor) -> tuple[Tensor, ...]:
    """Per layer [K, B, C, h, w], for cotangents [K, *outputs.shape]. A layer the outputs do not depend on gets zeros."""
    try:
        found = _batched(recording, cotangents)
    except RuntimeError:  # a backward of the model's own that `vmap` cannot batch, or a GPU too small; a fault of another kind comes again
        found = None
    if found is None:  # after the handler: the error's traceback holds on to what did not fit
        found = _one_by_one(recording, cotangents)
    return tuple(
        activation.new_zeros(len(cotangents), *activation.shape) if gradient is None else gradient
        for gradient, activation in zip(found, recording.activations)
    )


# Chosen by measurement, 4 targets × 3 layers on 2 cores, nothing else running, whole call: batched 40 ms and one by one 55 with
# 500 hidden units behind 65,536 activations; 49 and 53 with ResNet-18's shape, 37 and 40 with MobileNetV2's.


def _batched(recording, cotangents):
    """All targets in one backward through `vmap`."""
    with _ThinProducts() if _has_large_linear(recording.outputs) else nullcontext():
        return torch.autograd.grad(
            recording.outputs,
            recording.activations,
            cotangents,
            retain_graph=True,  # a large number of targets comes in groups
            is_grads_batched=True,
            allow_unused=True,
        )


def _one_by_one(recording, cotangents):
    """One backward a target."""
    rows = [
        torch.autograd.grad(recording.outputs, recording.activations, row, retain_graph=True, allow_unused=True)
        for row in cotangents
    ]
    return [None if layer[0] is None else torch.stack(layer) for layer in zip(*rows)]


def _has_large_linear(outputs: Tensor) -> bool:
    """Whether a Linear with LARGE weights stands between the recorded layers and the outputs, on a CPU."""
    waiting, seen = [outputs.grad_fn] if outputs.device.type == "cpu" else [], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "AddmmBackward0" and node._saved_mat2 is not None and node._saved_mat2.numel() >= LARGE:
            return True
        waiting += [before for before, _ in node.next_functions]
    return False


class _ThinProducts(TorchDispatchMode):
    """While active in this thread, multiplies a few rows with a large matrix in a way that CPUs are good at.

    Behind a Linear of 500 hidden units stands [4, 500] × [500, 65536]. The library's product takes 20 ms for it and
    the weights, 131 MB, could be read in 5. Blocks of 10 rows of the large matrix take 8.4 ms; leaving out the rows
    whose coefficients are all zero (hidden units that a ReLU switched off, about half) takes 5.1.
    """

    FEW, BLOCK = 32, 10  # rows of targets; rows of weights at a time (8 to 16 alike)

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else the first heatmap of a process waits for torch's compiler to be imported: 1.5 s in place of 0.4

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if (
            operation is torch.ops.aten.mm.default
            and len(args[0]) <= self.FEW
            and args[1].numel() >= LARGE
            and args[1].is_contiguous()
        ):
            return self._by_blocks(*args)
        return operation(*args, **(kwargs or {}))

    def _by_blocks(self, few, large):
        product = few.new_zeros(len(few), large.shape[1])
        block = large.new_empty(
            self.BLOCK, large.shape[1]
        )  # one block for all rounds: a fresh one each time is faulted in anew
        for rows in few.any(0).nonzero()[:, 0].split(self.BLOCK):
            product.addmm_(few[:, rows], torch.index_select(large, 0, rows, out=block[: len(rows)]))
        return product
