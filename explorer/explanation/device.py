"""The device that models run on: a GPU with the CPU as fallback; with ZeroGPU, a process that is lent a GPU."""

import copy
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

import classifiers
from gradcam.forward_pass import logits_of as logits_in
from gradcam.memory import in_halves, ran_out
from potplants import HubError, WeightsError

AUTO = "auto"
BEST_FIRST = ("cuda", "mps", "cpu")
LENT_SECONDS = 30  # the longest that ZeroGPU lends a GPU; shorter requests are scheduled sooner

# How far a GPU's results may be from the CPU's, since it adds in another order. Set from the error of single precision
# on the CPU: against double precision, logits differ by 1e-6 and most maps by less than 1e-4 in Euclidean norm. Three
# methods are more sensitive. Where two neighbours are almost equal, max pooling may route a gradient to the other one,
# and HiResCAM and LayerCAM do not average that out: 3e-2. Grad-CAM++ divides by a number that crosses zero: at conv1
# one map in fourteen differs by more than 1e-2.
LOGITS_TOLERANCE = 1e-4  # of the largest logit
HEAT_TOLERANCE = {"HiResCAM": 0.1, "LayerCAM": 0.1, "Grad-CAM++": 1e-2, "others": 1e-3}  # of the map's norm
QUANTILE = {"Grad-CAM++": 0.5}  # the share of the maps that must be within HEAT_TOLERANCE, where not all can be

Result = TypeVar("Result")


class Device:
    """One copy of each network on the device, and a way to run work with it."""

    def __init__(self, name: str = "cpu"):
        """Raises ValueError, with one sentence, for a device that cannot be used here."""
        lend = _zero_gpu()  # before anything queries CUDA, which ZeroGPU emulates from here on
        self.name = resolve_device(name)
        if self.name.startswith("cuda"):
            torch.backends.cudnn.allow_tf32 = False  # or convolutions would round to 10 bits; the CPU has 23
        # a classifier's network → its copy on the device, for as long as the network is kept
        self._copies: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()
        self._lock = Lock()
        self._run_lent = lend and lend(self._run)

    @property
    def lent(self) -> bool:
        """Whether a GPU has to be requested for each run, as with ZeroGPU."""
        return self._run_lent is not None

    def network(self, name: str) -> nn.Module:
        """The named network on this device; the classifier's own stays on the CPU. Raises as `classifiers.load`."""
        network = _network(name)
        if self.name == "cpu":
            return network
        if network not in self._copies:  # without the lock, which ZeroGPU's forked process may inherit locked
            with self._lock:
                if network not in self._copies:
                    self._copies[network] = copy.deepcopy(network).to(self.name)
        return self._copies[network]

    def preload(self, first: str):
        """Copy a network, and those whose weights come with the repository, to the device before the first request.

        ZeroGPU requires that, in the main thread, before the page is served. Any other network is copied in the
        process with a GPU.
        """
        if self.name == "cpu":
            return
        for name in dict.fromkeys((first, *classifiers.embedded())):
            with suppress(HubError, WeightsError):  # requests for this network report it
                self._preload(name)

    def ask(self, name: str, work: Callable[..., Result], progress: Callable | None = None) -> tuple[Result, str]:
        """`work(network)` on this device, and a note for the visitor where it ran on the CPU instead.

        Work that does not fit into a GPU's memory, or that it does not support, runs on the CPU. `work` gets
        `progress=`, if given. A lent GPU is in another process: so `work` must be picklable — a `functools.partial` of
        a module's function — and so must its result, without the network; its progress is not reported.
        """
        _network(name)  # in this process, so that its errors reach the visitor unchanged
        if self._run_lent is None:
            return self._run(name, work, progress)
        try:
            return self._run_lent(name, work, progress and ignore_progress)
        except Exception:  # no GPU free, quota used up, process died; an invalid request raises again below
            return _call(work, _network(name), progress), "No GPU could be had for this, so the CPU computed it."

    def _run(self, name, work, progress):
        if self.name == "cpu":
            return _call(work, _network(name), progress), ""
        try:
            return _call(work, self.network(name), progress), ""
        except RuntimeError as error:
            note = self._fallback_note(error)
            if not note:
                raise
        # after the handler: the error's traceback keeps what did not fit alive
        return _call(work, _network(name), progress), note

    def _fallback_note(self, error):
        """Why the CPU is to compute instead of this device; "" where it would fail as well."""
        if ran_out(error):
            return f"The memory of the device {self.name} was too small for this, so the CPU computed it."
        if isinstance(error, NotImplementedError):
            return f"The device {self.name} cannot compute this, so the CPU did."
        return ""

    def _preload(self, name):
        try:
            self.network(name)
        except RuntimeError as error:
            if not ran_out(error):
                raise


def resolve_device(name: str) -> str:
    """The device by name; AUTO is the first of BEST_FIRST that can compute. Raises ValueError for one that cannot."""
    if name == AUTO:
        return next(device for device in BEST_FIRST if not _fault(device))
    if fault := _fault(name):
        raise ValueError(f"The device {name!r} cannot be used here: {fault}")
    return name


def at_once(network: nn.Module, on_cpu: int = 8) -> int:
    """The batch size, in images or forward passes: a classifier's network treats each image by itself."""
    return on_cpu if next(network.parameters()).device.type == "cpu" else 32


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """The network's logits for images [B, 3, h, w], computed on its device: [B, N], on the CPU."""
    images = images.to(next(network.parameters()).device)

    def ask(some):
        return logits_in(network(some))

    # not in inference mode: libraries keep tables from one call to the next, and those could not be used for gradients
    with torch.no_grad():
        return torch.cat(in_halves(ask, cast(Sequence[Tensor], images))).cpu()  # a tensor is sliced like a list


def joined(*notes: str) -> str:
    """Sentences in one paragraph, each once."""
    return " ".join(dict.fromkeys(filter(None, notes)))


def _network(name):
    return classifiers.load(name).network


def _fault(name):
    """Why a device cannot compute, in torch's words; "" where it can."""
    try:
        torch.zeros(1, device=name).add(1)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).splitlines()[0]
    return ""


def _zero_gpu():
    """ZeroGPU's decorator on a Space that has it; None elsewhere, where nothing is imported."""
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):  # as the package itself reads it
        return None
    import spaces  # pyright: ignore[reportMissingImports]  # installed only on Spaces

    return spaces.GPU(duration=LENT_SECONDS)


def _call(work, network, progress):
    return work(network) if progress is None else work(network, progress=progress)


def ignore_progress(*args, **kwargs):
    """A progress callback where nobody wants to know."""
