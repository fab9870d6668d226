"""Test cases: how a network is built, which layers and targets are explained, and what the result must be."""

import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

CASES: list["Case"] = []  # every case of every family, in the order of definition


@dataclass(frozen=True)
class Case:
    """One network, or one use of it.

    With `error` None the maps must be right. Otherwise a ValueError or TypeError whose message matches the regular
    expression `error` is expected; `maps_allowed` accepts right maps as well, where either behaviour is reasonable.
    """

    name: str
    reason: str  # why engineers use such a network
    build: Callable[[], nn.Module]
    layers: tuple  # names, or (name, call)
    shape: tuple[int, ...]  # of the images
    targets: tuple
    error: str | None
    maps_allowed: bool
    reshape: Callable[[Tensor], Tensor] | None
    oracle_build: Callable[[], nn.Module] | None  # the same network without the feature that plain hooks cannot handle
    activation_of: Callable  # a layer's output → the tensor that is its activation
    training: bool | None  # explained in training mode, in eval mode, or (None) as it was built
    draws_random: bool  # random in eval mode: the maps must be right for one of the possible draws
    process_wide: bool  # not run in threads: what it or its context writes belongs to the process
    empty_maps: bool  # the right maps are empty
    tolerance: float  # relative to the largest value in the map
    context: Callable  # the context manager around the explainer's calls
    requires: str | None  # a package that may not be installed
    dtype: torch.dtype
    oracle_dtype: torch.dtype | None  # of the oracle's images, where it computes in another precision

    def make(self) -> nn.Module:
        """The model, with the same weights each time, in the mode in which it is explained."""
        return self._made(self.build, self.training)

    def make_for_oracle(self) -> nn.Module:
        """The same network in eval mode, for the oracle."""
        return self._made(self.oracle_build or self.build, None if self.training is None else False)

    def images(self, seed=0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(self.shape, dtype=torch.float64, generator=generator).to(self.dtype)

    def _made(self, build, training):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build()
        if training is not None:
            model.train(training)
        return model


def register(
    layers,
    shape=(2, 3, 10, 10),
    targets=(0, 2),
    error=None,
    *,
    maps_allowed=False,
    reshape=None,
    oracle_build=None,
    activation_of=lambda output: output,
    training=True,
    draws_random=False,
    process_wide=False,
    empty_maps=False,
    tolerance=1e-9,
    context=torch.enable_grad,
    requires=None,
    dtype=torch.float64,
    oracle_dtype=None,
    name=None,
):
    """Decorator that adds a module class, or a function that builds a model, to CASES. A class is `initialised`."""

    def add(factory):
        CASES.append(
            Case(
                name=name or _words(factory.__name__),
                reason=factory.__doc__,
                build=factory if not isinstance(factory, type) else lambda: initialised(factory()),
                layers=(layers,) if isinstance(layers, str) else tuple(layers),
                shape=shape,
                targets=tuple(targets),
                error=error,
                maps_allowed=maps_allowed,
                reshape=reshape,
                oracle_build=oracle_build,
                activation_of=activation_of,
                training=training,
                draws_random=draws_random,
                process_wide=process_wide,
                empty_maps=empty_maps,
                tolerance=tolerance,
                context=context,
                requires=requires,
                dtype=dtype,
                oracle_dtype=oracle_dtype,
            )
        )
        return factory

    return add


def register_variant(**changes):
    """Add the case that was registered last once more, with these fields changed."""
    CASES.append(replace(CASES[-1], **changes))


def initialised(model):
    """In float64, with random BatchNorm statistics, so that training mode and eval mode give different outputs."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    return model.double()


def _words(name):
    """A class's or function's name as words: SharedLayer and shared_layer are "shared layer"."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip().replace("_", " ")


class Small(nn.Module):
    """Two convolutions, BatchNorm, ReLU, a mean and a head: the base of most cases."""

    def __init__(self, inputs=3, outputs=4):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3)
        self.head = nn.Linear(5, outputs)

    def stem(self, x):
        return self.norm(self.conv1(x)).relu()

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3)))

    def forward(self, x):
        return self.top(self.stem(x))


def small():
    return initialised(Small())


CONVS = ("conv1", "conv2")
COPY_ERROR = r"copy|copied|shared|apart"  # words of the error where the model holds something that cannot be copied

_barriers: list[threading.Barrier] = []  # at most one, while `synchronised_threads` is active


def wait_for_threads():
    """Called by networks between writing state and reading it, so that threads that share the state interfere."""
    for barrier in _barriers:
        with suppress(threading.BrokenBarrierError):  # the threads run one after the other: as good
            barrier.wait()


@contextmanager
def synchronised_threads(count: int):
    """While active, `wait_for_threads` waits for `count` threads; half a second at most, once."""
    _barriers.append(threading.Barrier(count, timeout=0.5))
    try:
        yield
    finally:
        _barriers.clear()
