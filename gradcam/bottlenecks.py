"""Layers through which everything passes: a stage of a ResNet is one, the convolution of a single branch is not."""

from torch.autograd.graph import get_gradient_edge

from .forward_pass import Recording
from .gradients import nodes_needed


def bottlenecks(recording: Recording) -> tuple[bool, ...]:
    """For each recorded layer, whether every path from the outputs to the shallowest layers leads through it.

    In an order in which every operation comes after those that use its result, these are the operations that no edge
    passes by: each edge from before them ends at them at the latest.
    """
    recorded = [get_gradient_edge(activation).node for activation in recording.activations]
    root = recording.outputs.grad_fn
    if root is None:
        return (False,) * len(recorded)
    order, successors = _in_order(root, nodes_needed(root, set(recorded)))
    place = {node: index for index, node in enumerate(order)}
    passed_by_none, furthest = set(), 0
    for index, node in enumerate(order):
        if furthest <= index:
            passed_by_none.add(node)
        ends = [place[before] for before in successors[node]]
        furthest = max([furthest, *ends] if ends else [len(order)])  # one that ends the graph leads to its end
    return tuple(node in passed_by_none for node in recorded)


def _in_order(root, pending):
    """The nodes in `pending`, each after all that lead to it, and the nodes that each leads to.

    pending: nodes, each with the number of edges that lead to it; used up.
    """
    order, ready = [], [root] if root in pending else []
    successors = {}
    while ready:
        node = ready.pop()
        order.append(node)
        successors[node] = [before for before, _ in node.next_functions if before in pending]
        for before in successors[node]:
            pending[before] -= 1
            if not pending[before]:
                ready.append(before)
    return order, successors
