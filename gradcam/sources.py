"""Where a layer's gradient is read in autograd's graph: at its activation, or further on, where it is smaller.

Behind a global average a gradient is one number for each map, and every place has its equal part. Behind max pooling it
is a quarter as large, and where only its mean over the map is wanted, as by Grad-CAM (eq. 1), the pooled maps' gradient
gives it: each place of theirs goes to one place of the layer's, or to none where the ReLU in between was zero. What the
graph does not show is a hook on a tensor in between; so each such place is compared with a backward from there to the
activation before it is used.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from .forward_pass import Recording

AVERAGE, POOLING, RELU, COPY = "MeanBackward1", "MaxPool2DWithIndicesBackward0", "ReluBackward0", "CloneBackward0"
MANY_TARGETS = 16  # from which gradients are read at a global average
SEVERAL_TARGETS = 3  # from which means are read at max pooling; the comparison costs as much as it saves of one target


@dataclass(frozen=True)
class Source:
    """At the activation [B, C, h, w] itself."""

    activation: Tensor
    edge: Tensor | GradientEdge

    @property
    def node(self):
        """The edge's node in autograd's graph."""
        return (get_gradient_edge(self.edge) if isinstance(self.edge, Tensor) else self.edge).node

    def gradients(self, found: Tensor) -> Tensor:
        """The layer's gradients [K, B, C, h, w] from those at the edge."""
        return found

    def means(self, found: Tensor) -> Tensor:
        """Their means over the map: [K, B, C, 1, 1]."""
        return self.gradients(found).mean(_axes(self.activation), keepdim=True)


class AtAverage(Source):
    """At the global average that alone reads the layer: [K, B, C] or [K, B, C, 1, 1]."""

    def gradients(self, found: Tensor) -> Tensor:
        """A view: 1000 classes of a ResNet-50 need 8 MB in place of 400."""
        return self.means(found).expand(-1, *self.activation.shape)

    def means(self, found: Tensor) -> Tensor:
        maps = self.activation.shape[2:]
        return found.reshape(-1, *self.activation.shape[:2], *(1 for _ in maps)) / maps.numel()

    def is_right(self, found: Tensor, plain: Tensor) -> bool:
        """Whether one target's gradient at the edge, [1, B, C], gives that at the activation."""
        return torch.equal(self.gradients(found)[0], plain)


@dataclass(frozen=True)
class AtPooling(Source):
    """At the max pooling that alone reads the layer, after a ReLU or none: means only."""

    passes: Tensor | None  # which of the pooled maps' places the ReLU let through, [B, C, h′, w′]

    def gradients(self, found: Tensor) -> Tensor:
        raise NotImplementedError("only the means are known at a pooling")

    def means(self, found: Tensor) -> Tensor:
        let_through = found if self.passes is None else found * self.passes
        return let_through.sum(_axes(self.activation), keepdim=True) / self.activation.shape[2:].numel()

    def is_right(self, found: Tensor, plain: Tensor) -> bool:
        """Whether one target's gradient at the edge, [1, B, C, h′, w′], gives the mean of that at the activation."""
        apart = (self.means(found)[0] - plain.mean(_axes(plain), keepdim=True)).abs().max()
        largest = found.abs().max() * found.shape[3:].numel() / plain.shape[2:].numel()  # that such a mean can be
        return bool(apart <= 64 * torch.finfo(plain.dtype).eps * largest)


def sources(recording: Recording, targets: int, means: bool = False) -> tuple[Source, ...]:
    """For each layer where to read so many targets' gradients; means: whether their means are enough."""
    plain = tuple(Source(activation, activation) for activation in recording.activations)
    if not recording.outputs.requires_grad or targets < SEVERAL_TARGETS:
        return plain
    consumers = _consumers(recording.outputs.grad_fn)
    if targets >= MANY_TARGETS:
        averaged = [_if_right(_at_average(activation, consumers)) for activation in recording.activations]
        if all(averaged):
            return tuple(filter(None, averaged))
    # Only where the backward ends: to go on, a gradient is needed at every place.
    ends = [means and activation.is_leaf for activation in recording.activations]
    pooled = [_if_right(_at_pooling(one.activation, consumers)) if end else None for end, one in zip(ends, plain)]
    return tuple(one or other for one, other in zip(pooled, plain))


def _if_right(source):
    """The source if a backward from its edge to the activation gives what it says, for a gradient of either sign."""
    if source is None:
        return None
    found = torch.ones(source.node._input_metadata[0].shape).to(source.activation)
    if found.numel() < 2:
        return None
    found.view(-1)[1::2] = -0.5
    try:
        plain = torch.autograd.grad([source.edge], [source.activation], [found], retain_graph=True)[0]
        return source if source.is_right(found[None], plain) else None
    except RuntimeError:  # a backward that fails: whoever asks for the whole gradients is told why
        return None


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
        if node.name() == AVERAGE and _is_global(node, activation):
            return AtAverage(activation, GradientEdge(node, 0))
    return None


def _at_pooling(activation, consumers):
    rectified = False
    for node in _only_readers(activation, consumers, (COPY, RELU)):
        rectified = rectified or node.name() == RELU
        if node.name() == POOLING and activation.ndim == 4:
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


def _is_global(node, activation):
    """Whether a node averages over all axes behind [B, C]."""
    signed = [axis - 2**64 if axis >= 2**63 else axis for axis in node._saved_dim or ()]  # −1 is kept as 2⁶⁴ − 1
    axes = {axis % activation.ndim for axis in signed}
    return activation.ndim > 2 and axes == set(range(2, activation.ndim))


def _positive_at(indices, activation):
    """Whether an activation is above zero where pooling took its values from: [B, C, h′, w′]."""
    chosen = activation.detach().flatten(2).gather(2, indices.flatten(2))
    return ~(chosen <= 0).view(indices.shape)  # as ReLU's backward reads it


def _axes(activation):
    """The axes of a map, counted from the end: (-2, -1) for [B, C, h, w]."""
    return tuple(range(2 - activation.ndim, 0))
