"""Where the models compute: on a GPU if there is one, with the CPU behind it; on a Space with ZeroGPU, in the process that is lent one."""

import copy
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

import torch
from torch import Tensor, nn

import potplants
from gradcam.memory import in_halves, ran_out
from potplants import HubError, WeightsError

AUTO = "auto"
BEST_FIRST = ("cuda", "mps", "cpu")
LENT_SECONDS = 30  # for which ZeroGPU lends a GPU at most; who asks for less comes to his turn sooner

# How far answers from a GPU may lie from the CPU's, since they are added up in another order. Set from what single precision does to
# the CPU's own answers: held against double precision, logits move by 1e-6 and most maps by less than 1e-4, as a whole (Euclidean norm).
# Three methods feel more. Where two neighbours are all but equal, max pooling may send a gradient to the other one, and HiResCAM and LayerCAM
# do not average that away: 3e-2. Grad-CAM++ divides by a number that passes through zero: at conv1 one map in fourteen moves by
# more than 1e-2.
LOGITS_TOLERANCE = 1e-4  # of the largest logit
HEAT_TOLERANCE = {"HiResCAM": 0.1, "LayerCAM": 0.1, "Grad-CAM++": 1e-2, "others": 1e-3}  # of the map's norm
SPREAD = {"Grad-CAM++": 0.5}  # the share of the maps that must keep to it, where not all can

Result = TypeVar("Result")


class Device:
    """One copy of each network where models compute, and the way to ask it."""

    def __init__(self, name: str = "cpu"):
        """Raises ValueError, with one sentence, for a device that cannot be used here."""
        lend = _lender()  # before anything asks for a GPU: ZeroGPU answers for it from here on
        self.name = chosen(name)
        if self.name.startswith("cuda"):
            torch.backends.cudnn.allow_tf32 = (
                False  # or convolutions would keep ten bits of what the CPU computes with 23
            )
        self._copies: dict[nn.Module, nn.Module] = {}  # the shared network → its copy on the device
        self._lock = Lock()
        self._lent = lend and lend(self._here)

    @property
    def lent(self) -> bool:
        """Whether a GPU has to be asked for each time, as on ZeroGPU."""
        return self._lent is not None

    def network(self, name: str) -> nn.Module:
        """The named network on this device; the catalogue's own stays on the CPU. Raises what `potplants.load` raises."""
        network = potplants.load(name)
        if self.name == "cpu":
            return network
        if (
            network not in self._copies
        ):  # looked up without the lock: a process forked by ZeroGPU may have inherited it locked
            with self._lock:
                if network not in self._copies:
                    self._copies[network] = copy.deepcopy(network).to(self.name)
        return self._copies[network]

    def settle(self, first: str):
        """Copy a network, and those that come with the repository, before the first visitor comes.

        ZeroGPU wants that: in the main thread, before the page is served. A network that it has not got yet is copied where a GPU is lent.
        """
        if self.name == "cpu":
            return
        for name in (first, *(model.name for model in potplants.MODELS.values() if isinstance(model.weights, Path))):
            with suppress(HubError, WeightsError):  # whoever asks for it is told
                self._settle(name)

    def ask(self, name: str, work: Callable[..., Result], progress: Callable | None = None) -> tuple[Result, str]:
        """`work(network)` on this device, and a note for the visitor where that was not to be.

        What does not fit into a GPU's memory, or is beyond it, is asked of the CPU. `work` is told its `progress`, if there is one. Where a
        GPU is lent, it runs in another process: so it is something that can be pickled — a `functools.partial` of a module's function —, and
        so is what it returns, without the network; what it tells on the way is not heard.
        """
        potplants.load(name)  # in this process, so that its failures reach the visitor as they are
        if not self.lent:
            return self._here(name, work, progress)
        try:
            return self._lent(name, work, progress and _silent)
        except Exception:  # no GPU is free, the visitor's share is used up, the process died; a mistake in the question is found again below
            return _done(work, potplants.load(name), progress), "No GPU could be had for this, so the CPU computed it."

    def _here(self, name, work, progress):
        if self.name == "cpu":
            return _done(work, potplants.load(name), progress), ""
        try:
            return _done(work, self.network(name), progress), ""
        except RuntimeError as error:
            note = self._excuse(error)
            if not note:
                raise
        return _done(
            work, potplants.load(name), progress
        ), note  # after the handler: the error's traceback holds on to what did not fit

    def _excuse(self, error):
        """Why the CPU shall compute in place of this device; "" where it would fail as well."""
        if ran_out(error):
            return f"The memory of the device {self.name} was too small for this, so the CPU computed it."
        if isinstance(error, NotImplementedError):
            return f"The device {self.name} cannot compute this, so the CPU did."
        return ""

    def _settle(self, name):
        try:
            self.network(name)
        except RuntimeError as error:
            if not ran_out(error):
                raise


def chosen(name: str) -> str:
    """The device meant: AUTO is the first of BEST_FIRST that can compute. Raises ValueError for one that cannot."""
    if name == AUTO:
        return next(device for device in BEST_FIRST if not _fault(device))
    if fault := _fault(name):
        raise ValueError(f"The device {name!r} cannot be used here: {fault}")
    return name


def at_once(network: nn.Module, on_cpu: int = 8) -> int:
    """How many images, or further forward passes, share a batch: the catalogue's networks treat each image by itself."""
    return on_cpu if next(network.parameters()).device.type == "cpu" else 32


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """What the network says of images [B, 3, S, S], where it is: [B, N], on the CPU."""
    with torch.inference_mode():
        return torch.cat(in_halves(network, images.to(next(network.parameters()).device))).cpu()


def joined(*notes: str) -> str:
    """Sentences in one paragraph, each once."""
    return " ".join(dict.fromkeys(filter(None, notes)))


def _fault(name):
    """Why a device cannot compute, in its own words; "" where it can."""
    try:
        torch.zeros(1, device=name) + 1
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).splitlines()[0]
    return ""


def _lender():
    """ZeroGPU's decorator on a Space that has it; None elsewhere, and nothing is imported."""
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):  # as the package itself reads it
        return None
    import spaces

    return spaces.GPU(duration=LENT_SECONDS)


def _done(work, network, progress):
    return work(network) if progress is None else work(network, progress=progress)


def _silent(*told, **more):
    """Nobody hears it."""
