"""Random numbers of a run's own: what a network draws while it is explained is drawn from a copy of torch's generator.

Torch's own generators belong to the whole process. To draw from them changes what every other thread gets next, and to put them
back afterwards would hand the numbers that other threads drew in between to somebody a second time.
"""

import torch
from torch import Generator
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
# A drawing operation that takes no generator → the overload of it that does.
_WITH_GENERATOR = {
    "default": "generator",
    "low": "low_generator",
    "low_dtype": "low_generator_dtype",
    "Tensor": "Tensor_generator",
}


class Dice:
    """Generators of one's own, one a device: from a seed; or going on where torch's stand, as if those were drawn from.

    Torch's own state is only read. Where it has changed since, it was the network that set a seed, or another thread that drew:
    ours follows the change.
    """

    def __init__(self, seed: int | None = None):
        self._seed = seed
        self._ours: dict[torch.device, tuple[Generator, torch.Tensor]] = {}  # with torch's state when it was last read

    def of(self, device: torch.device) -> Generator:
        state = _state(device) if self._seed is None else _SEEDED
        ours, seen = self._ours.get(device, (None, None))
        if seen is None or not torch.equal(seen, state):
            ours = ours or Generator(device)
            ours.set_state(state) if self._seed is None else ours.manual_seed(self._seed)
            self._ours[device] = ours, state
        return ours


_SEEDED = torch.zeros(0)  # in place of torch's state, which does not matter then


class OwnDice(TorchDispatchMode):
    """While active, every random number that this thread's operations draw comes from `dice`.

    What a fused kernel draws inside (attention with dropout on a GPU) is out of reach, and comes from torch's own generator.
    """

    supports_higher_order_operators = True

    def __init__(self, dice: Dice):
        super().__init__()
        self._dice = dice
        self.drew = False  # whether anything was drawn at all

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # or torch imports its compiler, a second's work, before the first heatmap of a process

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if isinstance(operation, OpOverload) and torch.Tag.nondeterministic_seeded in operation.tags:
            self.drew = True
            return self._draw(operation, args, kwargs)
        return operation(*args, **kwargs)

    def _draw(self, operation, args, kwargs):
        if operation is _aten.native_dropout.default:
            return _dropout(*args, **kwargs, dice=self._dice)
        if not _takes_a_generator(operation):
            name = _WITH_GENERATOR.get(operation._overloadname)
            overloads = operation.overloadpacket
            if name is None or name not in overloads.overloads():
                return operation(*args, **kwargs)
            operation = getattr(overloads, name)
        if kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self._dice.of(_device(args, kwargs))}
        return operation(*args, **kwargs)


def _dropout(tensor, p, train, *, dice):
    """`native_dropout` as torch computes it on a CPU, so that the same generator gives the same mask."""
    if train is False or p == 0:
        return tensor.clone(), torch.ones_like(tensor, dtype=torch.bool)
    mask = torch.empty_like(tensor, dtype=torch.bool).bernoulli_(1 - p, generator=dice.of(tensor.device))
    return tensor * mask * (0.0 if p == 1 else 1 / (1 - p)), mask


def _takes_a_generator(operation):
    return any(argument.name == "generator" for argument in operation._schema.arguments)


def _device(args, kwargs):
    for value in (kwargs.get("device"), *args, *kwargs.values()):
        if isinstance(value, torch.device):
            return value
        if isinstance(value, torch.Tensor):
            return value.device
    return torch.get_default_device()


def _state(device):
    return torch.get_rng_state() if device.type == "cpu" else getattr(torch, device.type).get_rng_state(device)
