"""Layers that reach the outputs through their global average alone: a gradient there is one number for each map."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from .forward_pass import Recording

AVERAGE, COPY = "MeanBackward1", "CloneBackward0"


def averages(recording: Recording) -> tuple[GradientEdge, ...] | None:
    """Each layer's global average in the graph, if all layers reach the outputs through theirs alone; None otherwise.

    Behind such a layer [B, C, h, w] a gradient is [B, C], and every place of a map has its h·w-th part: 1000 classes of
    a ResNet-50 need 8 MB in place of 400. Found in autograd's graph and verified by one backward through the average,
    so that hooks on the way, which the graph does not show, are not passed over.
    """
    consumers = _consumers(recording.outputs.grad_fn)
    found = [_average_of(activation, consumers) for activation in recording.activations]
    edges = tuple(edge for edge in found if edge is not None)
    try:
        return edges if len(edges) == len(found) and _are_right(recording, edges) else None
    except RuntimeError:  # a backward that fails: whoever asks for the whole gradients is told why
        return None


def spread(gradient: Tensor, activation: Tensor) -> Tensor:
    """Each place's part of an average's gradients, [K, B, C] or [K, B, C, 1, 1]: [K, B, C, h, w], a view."""
    part = gradient.reshape(-1, *activation.shape[:2], *(1 for _ in activation.shape[2:]))  # [K, B, C, 1, 1]
    return (part / activation.shape[2:].numel()).expand(-1, *activation.shape)


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


def _average_of(activation, consumers):
    """The edge of the average that alone reads an activation, after the copy that a recorded layer hands on."""
    edge = get_gradient_edge(activation)
    for node in _only_readers((edge.node, edge.output_nr), consumers):
        if node.name() == AVERAGE:
            return GradientEdge(node, 0) if _is_global(node, activation) else None
    return None


def _only_readers(place, consumers) -> Iterator:
    """The node that alone reads a place, and while it is a copy, the one that alone reads the copy."""
    while len(readers := consumers.get(place, ())) == 1:
        yield readers[0]
        if readers[0].name() != COPY:
            return
        place = (readers[0], 0)


def _is_global(node, activation):
    """Whether a node averages over all axes behind [B, C]."""
    signed = [axis - 2**64 if axis >= 2**63 else axis for axis in node._saved_dim or ()]  # −1 is kept as 2⁶⁴ − 1
    axes = {axis % activation.ndim for axis in signed}
    return activation.ndim > 2 and axes == set(range(2, activation.ndim))


def _are_right(recording, edges):
    """Whether the averages' gradients give those of the activations, for a cotangent of different numbers."""
    outputs = recording.outputs
    cotangent = torch.linspace(0.5, 1.5, outputs.numel()).to(outputs).view(outputs.shape)
    pooled = torch.autograd.grad(outputs, edges, cotangent, retain_graph=True)
    whole = torch.autograd.grad(outputs, recording.activations, cotangent, retain_graph=True)
    return all(
        torch.equal(spread(one, activation)[0], gradient)
        for one, activation, gradient in zip(pooled, recording.activations, whole)
    )
