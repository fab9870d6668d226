"""What a network or a use of one is called, how it is made, where it is read, and what must come of it."""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

CASES: list["Case"] = []  # every case of every family, in the order of their definition


@dataclass(frozen=True)
class Case:
    """One network or one use of it.

    With `sentence` None the maps must be right. Else the answer is a ValueError or TypeError that `sentence`, a regular
    expression, describes; `or_right` allows right maps as well, where doing it and saying why not are both fair.
    """

    name: str
    why: str  # why engineers meet this shape
    build: Callable[[], nn.Module]
    layers: tuple  # names, or (name, call)
    shape: tuple[int, ...]  # of the images
    targets: tuple
    sentence: str | None
    or_right: bool
    reshape: Callable[[Tensor], Tensor] | None
    plain: (
        Callable[[], nn.Module] | None
    )  # the same network without the oddity, where a plain hook does not reach into it
    opened: Callable  # what a layer puts out → the tensor that is its activation
    mode: bool | None  # handed over in training mode, in eval mode, or (None) as it was made
    draws: bool  # draws random numbers in eval mode: the maps are right for one of the draws
    alone: bool  # not asked in threads: what it or its context writes belongs to the process
    empty: bool  # the right maps are empty
    tolerance: float  # of the largest number in the map
    around: Callable  # a context in which the caller asks
    needs: str | None  # a package that may be absent
    dtype: torch.dtype
    plain_dtype: torch.dtype | None  # of the images for the oracle, where it computes in another precision

    def make(self) -> nn.Module:
        """The model, the same each time, in the mode in which it is handed over."""
        return self._made(self.build, self.mode)

    def make_plain(self) -> nn.Module:
        """The same network, in eval mode, for the oracle."""
        return self._made(self.plain or self.build, None if self.mode is None else False)

    def images(self, seed=0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(self.shape, dtype=torch.float64, generator=generator).to(self.dtype)

    def _made(self, build, mode):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build()
        if mode is not None:
            model.train(mode)
        return model


def network(
    layers,
    shape=(2, 3, 10, 10),
    targets=(0, 2),
    sentence=None,
    *,
    or_right=False,
    reshape=None,
    plain=None,
    opened=lambda output: output,
    mode=True,
    draws=False,
    alone=False,
    empty=False,
    tolerance=1e-9,
    around=torch.enable_grad,
    needs=None,
    dtype=torch.float64,
    plain_dtype=None,
    name=None,
):
    """Enter a module class, or a function that makes a model, into CASES. A class goes through `lived_in`."""

    def enter(made):
        build = made if not isinstance(made, type) else lambda: lived_in(made())
        layers_asked = (layers,) if isinstance(layers, str) else tuple(layers)
        CASES.append(
            Case(
                name or _words(made.__name__),
                made.__doc__,
                build,
                layers_asked,
                shape,
                tuple(targets),
                sentence,
                or_right,
                reshape,
                plain,
                opened,
                mode,
                draws,
                alone,
                empty,
                tolerance,
                around,
                needs,
                dtype,
                plain_dtype,
            )
        )
        return made

    return enter


def also(**changed):
    """Another use of the network that was entered last, with these fields changed."""
    CASES.append(replace(CASES[-1], **changed))


def lived_in(model):
    """In float64, and BatchNorm with statistics of its own, so that training mode and eval mode tell apart."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    return model.double()


def _words(name):
    """A class's or function's name as words: SharedLayer and shared_layer are "shared layer"."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip().replace("_", " ")


class Small(nn.Module):
    """Two convolutions, BatchNorm, ReLU, a mean and a head: what most cases change one thing of."""

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
    return lived_in(Small())


BOTH = ("conv1", "conv2")
NO_COPY = r"copy|copied|shared|apart"  # what a sentence says where the model holds something that cannot be doubled

_meeting = None  # a barrier, while threads are to meet in the middle of a forward


def meet():
    """Called by networks between writing something down and reading it: threads that share it are made to notice."""
    if _meeting is not None:
        try:
            _meeting.wait()
        except threading.BrokenBarrierError:
            pass  # they come one after the other, which is as good


@contextmanager
def meetings(threads: int):
    """While active, `meet` waits for so many threads; half a second at most, once."""
    global _meeting
    _meeting = threading.Barrier(threads, timeout=0.5)
    try:
        yield
    finally:
        _meeting = None
