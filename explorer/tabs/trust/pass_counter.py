"""What a heatmap costs: forward and backward passes counted while they happen, and milliseconds on this machine."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

QUICK_MS = 150  # what takes less is timed again, since the first time may hold a warming up
TIMES = 3


@dataclass(frozen=True)
class Cost:
    forward: int  # images that went through the model
    backward: int  # times a gradient was sent back through it
    ms: float  # by the clock; the median where it was timed several times


class Counted(nn.Module):
    """A model around a network. Its layers are found under "network."."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)


class Tally:
    """Counts what goes through a model: a forward hook of it, which is no part of the model and is shared by its replicas."""

    def __init__(self):
        self.forward = self.backward = 0

    def __call__(self, model, images, outputs):
        self.forward += len(outputs)
        if outputs.requires_grad:
            outputs.register_hook(self.sent_back)

    def sent_back(self, gradient):
        self.backward += 1


def measure_cost(make: Callable[[nn.Module], Tensor], network: nn.Module) -> tuple[Tensor, Cost]:
    """What `make` makes of the network, and what it cost. It is made again where that is quick, for a steadier time."""
    heat, first = _once(make, network)
    if first.ms > QUICK_MS:
        return heat, first
    again = [_once(make, network)[1].ms for _ in range(TIMES)]  # the first, with its warming up, is left out
    return heat, Cost(first.forward, first.backward, statistics.median(again))


def _once(make, network):
    counted, tally = Counted(network), Tally()
    counted.register_forward_hook(tally)
    started = time.perf_counter()
    heat = make(counted)
    taken = (time.perf_counter() - started) * 1000
    return heat, Cost(tally.forward, tally.backward, taken)
