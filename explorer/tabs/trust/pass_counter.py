"""Counts the forward and backward passes of a heatmap as they happen, and measures its milliseconds."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from gradcam.forward_pass import logits_of

QUICK_MS = 150  # what takes less is timed again, since the first run may include warming up
TIMES = 3


@dataclass(frozen=True)
class Cost:
    forward: int  # images that went through the model
    backward: int  # gradients sent back through it
    ms: float  # wall time; the median if it was timed several times


class Counted(nn.Module):
    """A wrapper around a network, to count its passes. Its layers' names start with "network."."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)


class Tally:
    """Counts a model's passes: a forward hook, which is no part of the model and is shared by its replicas."""

    def __init__(self):
        self.forward = self.backward = 0

    def __call__(self, model, images, outputs):
        logits = logits_of(outputs)
        self.forward += len(logits)
        if logits.requires_grad:
            logits.register_hook(self.count_backward)

    def count_backward(self, gradient):
        self.backward += 1


def measure_cost(make: Callable[[nn.Module], Tensor], network: nn.Module) -> tuple[Tensor, Cost]:
    """What `make` returns for the network, and its cost. It is repeated if that is quick, for a steadier time."""
    heat, first = _once(make, network)
    if first.ms > QUICK_MS:
        return heat, first
    again = [_once(make, network)[1].ms for _ in range(TIMES)]  # without the first, which warms up
    return heat, Cost(first.forward, first.backward, statistics.median(again))


def _once(make, network):
    counted, tally = Counted(network), Tally()
    counted.register_forward_hook(tally)
    started = time.perf_counter()
    heat = make(counted)
    milliseconds = (time.perf_counter() - started) * 1000
    return heat, Cost(tally.forward, tally.backward, milliseconds)
