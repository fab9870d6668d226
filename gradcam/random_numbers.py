"""Random numbers of a run's own: a network that is explained draws from copies of torch's generators.

Torch's own generators belong to the whole process. To draw from them changes what every other thread gets next, and to
restore them afterwards would give numbers that other threads drew in between a second time.
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


class GeneratorStates:
    """Private generators, one for each device: from a seed, or continuing from the state of torch's own.

    Torch's own state is only read. Where it has changed since, the network set a seed, or another thread drew: the
    private generator follows the change.
    """

    def __init__(self, seed: int | None = None):
        self._seed = seed
        self._known: dict[torch.device, tuple[Generator, torch.Tensor]] = {}  # with torch's state when last read

    def generator(self, device: torch.device) -> Generator:
        state = _state(device) if self._seed is None else _SEEDED
        known = self._known.get(device)
        if known is not None and torch.equal(known[1], state):
            return known[0]
        generator = Generator(device) if known is None else known[0]
        if self._seed is None:
            generator.set_state(state)
        else:
            generator.manual_seed(self._seed)
        self._known[device] = generator, state
        return generator


_SEEDED = torch.zeros(0)  # in place of torch's state, which does not matter then


class PrivateRandomNumbers(TorchDispatchMode):
    """While active, every random number that this thread's operations draw comes from private generators.

    What a fused kernel draws inside (attention with dropout on a GPU) is out of reach, and comes from torch's own
    generator.
    """

    supports_higher_order_operators = True

    def __init__(self, states: GeneratorStates):
        super().__init__()
        self._states = states
        self.drew = False  # whether anything was drawn at all

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # or torch imports its compiler, a second's work, before the first heatmap of a process

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if _draws(operation, args, kwargs):
            self.drew = True
            return self._draw(operation, args, kwargs)
        return operation(*args, **kwargs)

    def _draw(self, operation, args, kwargs):
        if operation is _aten.native_dropout.default:
            return _dropout(*args, **kwargs, states=self._states)
        if not _takes_a_generator(operation):
            name = _WITH_GENERATOR.get(operation._overloadname)
            overloads = operation.overloadpacket
            if name is None or name not in overloads.overloads():
                return operation(*args, **kwargs)
            operation = getattr(overloads, name)
        if kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self._states.generator(_device(args, kwargs))}
        return operation(*args, **kwargs)


def _draws(operation, args, kwargs):
    """Whether an operation draws random numbers. Torch marks attention so: with a dropout of zero it draws none."""
    if not isinstance(operation, OpOverload) or torch.Tag.nondeterministic_seeded not in operation.tags:
        return False
    arguments = {argument.name: argument.default_value for argument in operation._schema.arguments}
    return (arguments | dict(zip(arguments, args)) | kwargs).get("dropout_p") != 0


def _dropout(tensor, p, train, *, states):
    """`native_dropout` as torch computes it on a CPU, so that the same generator gives the same mask."""
    if train is False or p == 0:
        return tensor.clone(), torch.ones_like(tensor, dtype=torch.bool)
    generator = states.generator(tensor.device)
    mask = torch.empty_like(tensor, dtype=torch.bool).bernoulli_(1 - p, generator=generator)
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
