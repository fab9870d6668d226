"""Where the means of a layer's gradients are read in autograd's graph: at its activation, or further on, where less is.

Grad-CAM (eq. 1) asks for no more of a gradient than its mean over each map. Behind a global average that is one number
for each map. Behind max pooling the gradient is a quarter as large, and its sum is that of the layer's: each place goes
to one of the layer's places, or to none where the ReLU in between was zero. What the graph does not show are hooks on
the tensors in between; so the target with the largest gradient is compared with a backward from there on.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from .forward_pass import Recording
from .memory_order import keeping_order

AVERAGE, POOLING, RELU, COPY = "MeanBackward1", "MaxPool2DWithIndicesBackward0", "ReluBackward0", "CloneBackward0"
MANY_TARGETS = 16  # from which means are read at a global average
SEVERAL_TARGETS = 3  # from which they are read at max pooling; the comparison costs what is saved of one target


@dataclass(frozen=True)
class Source:
    """At the activation [B, C, h, w] itself, which is right for every network."""

    activation: Tensor
    edge: Tensor | GradientEdge

    @property
    def node(self):
        """The edge's node in autograd's graph."""
        return (get_gradient_edge(self.edge) if isinstance(self.edge, Tensor) else self.edge).node

    def means(self, found: Tensor) -> Tensor:
        """The means over the map [K, B, C, 1, 1] of what was found at the edge, gradients [K, B, C, h, w]."""
        return found.mean(_axes(self.activation), keepdim=True)

    def is_right(self, found: Tensor) -> bool:
        """Whether a backward from the edge to the activation has the same means, for the largest of the gradients."""
        largest = found[found.abs().amax(tuple(range(1, found.ndim))).argmax()]
        kept = largest.clone()  # a hook may write into what it is given
        edge = cast(GradientEdge, self.edge)
        with keeping_order([self.activation]):
            plain = torch.autograd.grad([edge], [self.activation], [largest], retain_graph=True)[0]
        means, bound = self.means(kept[None])[0], self.means(kept[None].abs())[0]  # the bound: of its rounding
        apart = (means - plain.mean(_axes(plain), keepdim=True)).abs()
        return bool((apart <= 64 * torch.finfo(plain.dtype).eps * bound).all())


class AtAverage(Source):
    """At the global average that alone reads the layer: [K, B, C] or [K, B, C, 1, 1]."""

    def means(self, found: Tensor) -> Tensor:
        maps = self.activation.shape[2:]
        return found.reshape(-1, *self.activation.shape[:2], *(1 for _ in maps)) / maps.numel()


@dataclass(frozen=True)
class AtPooling(Source):
    """At the max pooling that alone reads the layer, after a ReLU or none: [K, B, C, h′, w′]."""

    passes: Tensor | None  # one at the pooled maps' places that the ReLU let through, else zero, [B, C, h′, w′]

    def means(self, found: Tensor) -> Tensor:
        return self._sums(found) / self.activation.shape[2:].numel()

    def _sums(self, found):
        """Over what the ReLU let through. A product takes a tenth of the time of a choice, 0.3 ms against 3.1."""
        axes = _axes(self.activation)
        if self.passes is None:
            return found.sum(axes, keepdim=True)
        sums = (found * self.passes).sum(axes, keepdim=True)
        if sums.isfinite().all():
            return sums
        return found.where(self.passes > 0, 0).sum(axes, keepdim=True)  # infinity times zero is no number


def activations_of(recording: Recording) -> tuple[Source, ...]:
    """Each layer's activation."""
    return tuple(Source(activation, activation) for activation in recording.activations)


def sources_of_means(recording: Recording, targets: int) -> tuple[Source, ...]:
    """For each layer where to read the means of so many targets' gradients; what is found is to be compared."""
    plain, root = activations_of(recording), recording.outputs.grad_fn
    exact = all(activation.dtype in (torch.float32, torch.float64) for activation in recording.activations)
    if root is None or not exact or targets < SEVERAL_TARGETS:
        return plain  # half precision could not tell a hook that doubles from rounding
    consumers = _consumers(root)
    if targets >= MANY_TARGETS:
        averaged = [_at_average(activation, consumers) for activation in recording.activations]
        if all(averaged):
            return tuple(filter(None, averaged))
    # Only where the backward ends: to go on, a gradient is needed at every place.
    return tuple((one.activation.is_leaf and _at_pooling(one.activation, consumers)) or one for one in plain)


def are_right(chosen: tuple[Source, ...], found: tuple[Tensor | None, ...]) -> bool:
    """Whether what was found further on has the means that the activations' gradients have."""
    with suppress(Exception):  # of a hook's own: whoever asks for the whole gradients meets it again
        return all(
            source.is_right(one)
            for source, one in zip(chosen, found)
            if one is not None and source.edge is not source.activation
        )
    return False


def _consumers(root) -> dict[tuple, list]:
    """The nodes that read each node's outputs, by node and number of the output."""
    consumers, waiting, seen = {}, [root], {root}
    while waiting:
        node = waiting.pop()
        for before, number in node.next_functions:
            if before is not None:
                consumers.setdefault((before, number), []).append(node)
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
    return consumers


def _at_average(activation, consumers):
    for node in _only_readers(activation, consumers, (COPY,)):
        if node.name() == AVERAGE and _is_global(node, activation) and _like(node, activation):
            return AtAverage(activation, GradientEdge(node, 0))
    return None


def _at_pooling(activation, consumers):
    rectified = False
    for node in _only_readers(activation, consumers, (COPY, RELU)):
        rectified = rectified or node.name() == RELU
        if node.name() == POOLING and activation.ndim == 4 and _like(node, activation):
            with suppress(RuntimeError):  # indices that were written over
                passes = _positive_at(node._saved_result1, activation) if rectified else None
                return AtPooling(activation, GradientEdge(node, 0), passes)
    return None


def _only_readers(activation, consumers, through) -> Iterator:
    """The node that alone reads an activation, and as long as it is one of `through`, the one that alone reads it."""
    edge = get_gradient_edge(activation)
    place = edge.node, edge.output_nr
    while len(readers := consumers.get(place, ())) == 1:
        yield readers[0]
        if readers[0].name() not in through:
            return
        place = readers[0], 0


def _like(node, activation):
    """An average may give another precision than it read."""
    return node._input_metadata[0].dtype == activation.dtype


def _is_global(node, activation):
    """Whether a node averages over all axes behind [B, C]."""
    signed = [axis - 2**64 if axis >= 2**63 else axis for axis in node._saved_dim or ()]  # −1 is kept as 2⁶⁴ − 1
    axes = {axis % activation.ndim for axis in signed}
    return activation.ndim > 2 and axes == set(range(2, activation.ndim))


def _positive_at(indices, activation):
    """One where an activation is above zero at the place that pooling took its value from: [B, C, h′, w′]."""
    chosen = _gathered(activation.detach().flatten(2), indices.flatten(2)).unflatten(2, indices.shape[2:])
    return (~(chosen <= 0)).to(activation.dtype)  # as ReLU's backward reads it


def _gathered(maps, indices):
    """The values [B, C, n] of maps [B, C, h·w] at indices [B, C, n], in the order in which those lie in memory."""
    if indices.is_contiguous():
        return maps.gather(2, indices)
    return maps.mT.gather(1, indices.mT).mT


def _axes(activation):
    """The axes of a map, counted from the end: (-2, -1) for [B, C, h, w]."""
    return tuple(range(2 - activation.ndim, 0))
