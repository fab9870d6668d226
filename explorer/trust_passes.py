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
    """A model that counts what goes through it. Its layers are found under "network."."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.tally = Tally()

    def forward(self, images):
        outputs = self.network(images)
        self.tally.forward += len(images)
        if outputs.requires_grad:
            outputs.register_hook(self.tally.sent_back)
        return outputs


class Tally:
    """The counts: one object that a model and its replicas share."""

    def __init__(self):
        self.forward = self.backward = 0

    def sent_back(self, gradient):
        self.backward += 1


def weigh(make: Callable[[nn.Module], Tensor], network: nn.Module) -> tuple[Tensor, Cost]:
    """What `make` makes of the network, and what it cost. It is made again where that is quick, for a steadier time."""
    heat, first = _once(make, network)
    if first.ms > QUICK_MS:
        return heat, first
    again = [_once(make, network)[1].ms for _ in range(TIMES)]  # the first, with its warming up, is left out
    return heat, Cost(first.forward, first.backward, statistics.median(again))


def _once(make, network):
    counted = Counted(network)
    started = time.perf_counter()
    heat = make(counted)
    taken = (time.perf_counter() - started) * 1000
    return heat, Cost(counted.tally.forward, counted.tally.backward, taken)
