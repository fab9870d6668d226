"""The backward pass: d target / d activation for all targets at all recorded layers."""

from contextlib import contextmanager, nullcontext
from heapq import heappop, heappush
from math import prod

import torch
from torch import Tensor
from torch._C._functorch import _set_vmap_fallback_warning_enabled  # pyright: ignore[reportAttributeAccessIssue]
from torch.utils._python_dispatch import TorchDispatchMode

from .memory_order import keeping_order
from .sources import Source

LARGE = 1 << 20  # weights of a Linear from which the library's product with a few rows is worth replacing
MANY_ROWS = 1 << 24  # multiplications of a Linear, tokens × weights or targets × weights, from which zeros are left out


def gradients(outputs: Tensor, sources: tuple[Source, ...], cotangents: Tensor) -> tuple[Tensor | None, ...]:
    """Per source the gradients at its edge, for an activation [K, B, C, h, w], for cotangents [K, *outputs.shape].

    None where no gradient path leads from it to the outputs. Raises ValueError for checkpoints of torch's reentrant
    kind, behind which no gradient can be read.
    """
    if not outputs.requires_grad:
        return (None,) * len(sources)
    edges = tuple(source.edge for source in sources)
    if len(cotangents) > 1:
        try:
            with keeping_order(source.activation for source in sources):
                return _batched(outputs, edges, cotangents.clone())  # a backward may write into what it is given
        except RuntimeError:  # `vmap` cannot batch a backward, or a GPU is too small; others are raised again below
            pass
    return _one_by_one(outputs, edges, cotangents)  # after the handler: its traceback refers to what did not fit


# Chosen by measurement, 4 targets × 3 layers on 2 cores, nothing else running, whole call: batched 40 ms and one by one
# 55 with 500 hidden units behind 65,536 activations; 49 and 53 with ResNet-18's shape, 37 and 40 with MobileNetV2's.


def _batched(outputs, edges, cotangents):
    """All targets in one backward through `vmap`."""

    def of_one(cotangent):
        found = _gradients_of_one(outputs, edges, cotangent)
        leads.extend(one is not None for one in found)
        return tuple(one for one in found if one is not None)

    leads = []
    with _fast_products(outputs, len(cotangents)), _without_advice():
        found = iter(torch.vmap(of_one)(cotangents))
    return tuple(next(found) if leads_there else None for leads_there in leads)


@contextmanager
def _without_advice():
    """`vmap` says where it has to loop, as through attention, and asks for an issue: not for whoever explains to read.

    torch tells nobody whether that was switched off before; it is on by default, and on again afterwards.
    """
    _set_vmap_fallback_warning_enabled(False)
    try:
        yield
    finally:
        _set_vmap_fallback_warning_enabled(True)


def _one_by_one(outputs, edges, cotangents):
    """One backward per target."""
    try:
        with _fast_products(outputs, 1):
            rows = [_gradients_of_one(outputs, edges, row) for row in cotangents]
    except RuntimeError as error:
        if "use_reentrant" in str(error):
            raise ValueError(
                "expected a model that keeps its activations, but it checkpoints them in torch's reentrant way, behind "
                "which no gradient can be read: give its checkpoint use_reentrant=False, or switch checkpointing off"
            ) from None
        raise
    return tuple(None if layer[0] is None else _stacked(layer) for layer in zip(*rows))


def _gradients_of_one(outputs, edges, cotangent):
    """The graph is kept: many targets come in groups."""
    return torch.autograd.grad(outputs, edges, cotangent, retain_graph=True, allow_unused=True)


def _stacked(tensors):
    """One tensor of several; a single one without a copy."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(tensors)


def bytes_held(outputs: Tensor, sources: tuple[Source, ...]) -> int:
    """How many bytes of gradients a backward for one target holds at its peak; those recorded stay to the end.

    Traverses the graph in the engine's order: of the nodes whose gradients are complete, the latest made runs first.
    """
    root = outputs.grad_fn if outputs.requires_grad else None
    if root is None:
        return 0
    recorded = {source.node for source in sources}
    pending = nodes_needed(root, recorded)
    ready, holding = [(-root._sequence_nr(), 0, root)], {root}
    held = peak = _bytes_into(root)
    while ready:
        *_, node = heappop(ready)
        for before, _ in node.next_functions:
            if before is None or before not in pending:
                continue
            if before not in holding:
                holding.add(before)
                held += _bytes_into(before)
            pending[before] -= 1
            if not pending[before]:
                heappush(ready, (-before._sequence_nr(), len(holding), before))
        peak = max(peak, held)
        if node not in recorded:
            held -= _bytes_into(node)
    return peak


def nodes_needed(root, recorded):
    """The nodes between `root` and the recorded ones, each with the number of gradients that it receives."""
    leads, stack = {}, [(root, False)]
    while stack:
        node, below_is_known = stack.pop()
        below = [before for before, _ in node.next_functions if before is not None]
        if below_is_known:
            leads[node] = node in recorded or any(leads[before] for before in below)
        elif node not in leads:
            leads[node] = False
            stack += [(node, True), *((before, False) for before in below if before not in leads)]
    pending = {node: 0 for node in leads if leads[node]}
    for node in pending:
        for before, _ in node.next_functions:
            if before in pending:
                pending[before] += 1
    return pending


def _bytes_into(node):
    """The size of the gradients that a node receives."""
    return sum(prod(one.shape) * one.dtype.itemsize for one in node._input_metadata)


def _fast_products(outputs, targets):
    return _SparseProducts() if _has_large_linear(outputs, targets) else nullcontext()


def _has_large_linear(outputs: Tensor, targets: int) -> bool:
    """Whether a Linear that `_SparseProducts` is for stands between the recorded layers and the outputs, on a CPU."""
    waiting, seen = [outputs.grad_fn] if outputs.device.type == "cpu" else [], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        matrix = getattr(node, "_saved_mat2", None) if node.name() == "AddmmBackward0" else None
        if matrix is not None and _is_large(targets * node._input_metadata[0].shape[0], matrix):
            return True
        waiting += [before for before, _ in node.next_functions]
    return False


def _is_large(rows, matrix):
    return matrix.numel() >= LARGE or rows * matrix.numel() >= MANY_ROWS


class _SparseProducts(TorchDispatchMode):
    """While active in this thread, multiplies a few rows, or many that are mostly zero, with a matrix as suits CPUs.

    Behind a Linear of 500 hidden units stands [4, 500] × [500, 65536]. The library's product takes 20 ms for it and
    the weights, 131 MB, could be read in 5. Blocks of 10 rows of the large matrix take 8.4 ms; leaving out the rows
    whose coefficients are all zero (hidden units that a ReLU switched off, about half) takes 5.1.

    And where a class is read from one token, the others' gradients are zero down to the last block's attention: of 197
    rows one is multiplied there. Rows of zeros give rows of zeros.
    """

    FEW, BLOCK = 32, 10  # rows of targets; rows of weights at a time (8 to 16 alike)

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else a process's first heatmap waits for the import of torch's compiler: 1.5 s in place of 0.4

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation is torch.ops.aten.mm.default:
            few, large = args
            if len(few) <= self.FEW and large.numel() >= LARGE and large.is_contiguous():
                return self._by_blocks(few, large)
            if len(few) > self.FEW and len(few) * large.numel() >= MANY_ROWS:
                return self._without_zeros(few, large)
        return operation(*args, **(kwargs or {}))

    def _without_zeros(self, many, matrix):
        rows = many.any(1).nonzero()[:, 0]
        if 2 * len(rows) <= len(many):
            return many.new_zeros(len(many), matrix.shape[1]).index_copy_(0, rows, many[rows] @ matrix)
        if int(many.count_nonzero(1).max()) > 1:
            return many @ matrix
        columns = (many != 0).byte().argmax(1, keepdim=True)  # one class in each row: its weights, times one number
        return matrix[columns[:, 0]].mul_(many.gather(1, columns))

    def _by_blocks(self, few, large):
        product = few.new_zeros(len(few), large.shape[1])
        block = large.new_empty(self.BLOCK, large.shape[1])  # reused: a fresh one each time causes new page faults
        for rows in few.any(0).nonzero()[:, 0].split(self.BLOCK):
            product.addmm_(few[:, rows], torch.index_select(large, 0, rows, out=block[: len(rows)]))
        return product
