"""Loading weights files into networks safely: no code in a file is ever run, and every fault is one sentence."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

_HEAD_BYTES = 64  # enough to recognise a web page or a Git LFS pointer


class WeightsError(ValueError):
    """A file cannot be used as weights.

    `file` is its path, `fault` says in a clause what is wrong ("it is empty"); the message adds what to do.
    """

    def __init__(self, file: Path | str, fault: str, remedy: str = "put a good copy in its place") -> None:
        super().__init__(f"{file} cannot be used as weights: {fault}; {remedy}.")
        self.file, self.fault = file, fault


def load_into(network: nn.Module, path: Path | str) -> nn.Module:
    """Load the weights in `path` into `network`, in float32 on the CPU, and return it; WeightsError on any fault.

    The file's tensors replace the network's own, so the network may be on the meta device. Either all of them are
    loaded or none: the file is checked before the network is changed.
    """
    path = Path(path)
    state = _read(path)
    _check_fit(path, state, network)
    state = {name: tensor.float() for name, tensor in state.items()}  # weights are often stored as float16
    _check_finite(path, state)
    network.load_state_dict(state, strict=True, assign=True)
    return network


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file in hexadecimal, cached until the file changes."""
    path = Path(path).resolve()
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=20_000)  # weights, and the photos and masks of an audit
def _sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, as stored: names and tensors only, whatever the file contains."""
    _check_first_bytes(path)
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise undocumented exceptions: KeyError, EOFError, RuntimeError, …
        raise WeightsError(path, _reading_fault(error)) from error
    if not isinstance(state, dict):
        raise WeightsError(path, f"it holds a {type(state).__name__}, not a state dict", "save model.state_dict()")
    for name, value in state.items():
        # A checkpoint with a state dict inside is refused as well: which of its entries to use would be a guess.
        if not isinstance(name, str) or not isinstance(value, Tensor):
            fault = f"it is not a plain state dict: its entry {name!r} is a {type(value).__name__}, not a tensor"
            raise WeightsError(path, fault, "save model.state_dict() alone")
    return state


def _check_first_bytes(path: Path) -> None:
    """Detect the faults that the readers would only report as invalid bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise WeightsError(path, f"it cannot be opened ({error.strerror})") from error
    if not head:
        raise WeightsError(path, "it is empty")
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(path, "it is a Git LFS pointer, not the weights it stands for", "run git lfs pull")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise WeightsError(path, "it is a web page, not weights", "fetch the file itself, not the page that shows it")


def _reading_fault(error: Exception) -> str:
    """The fault behind a reader's exception. torch names the first global that a refused pickle would have called."""
    called = re.search(r"\bGLOBAL (\S+)", str(error))
    if called:
        return f"it is a pickle that asks for more than tensors ({called[1]}), which could run code"
    return "it is cut short, damaged or not a file of weights"


def _check_fit(path: Path, state: dict[str, Tensor], network: nn.Module) -> None:
    """Names, shapes and dtypes must match the network's: otherwise some layers would stay random."""
    expected = network.state_dict()
    kind = type(network).__name__
    remedy = "use the weights of this very network"
    if missing := [name for name in expected if name not in state]:
        raise WeightsError(path, f"it lacks {_summary(missing)} of {kind}", remedy)
    if unknown := [name for name in state if name not in expected]:
        raise WeightsError(path, f"it holds {_summary(unknown)}, which {kind} does not have", remedy)
    for name, tensor in state.items():
        needed = tuple(expected[name].shape)
        if tuple(tensor.shape) != needed:
            raise WeightsError(path, f"its {name} is {tuple(tensor.shape)} where {kind} needs {needed}", remedy)
        if not tensor.is_floating_point() or tensor.layout is not torch.strided or tensor.device.type != "cpu":
            raise WeightsError(path, f"its {name} is {tensor.dtype} and {tensor.layout}, not plain numbers", remedy)


def _check_finite(path: Path, state: dict[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not all(torch.isfinite(end) for end in tensor.aminmax()):  # both ends are NaN if one value is
            raise WeightsError(path, f"its {name} holds NaN or infinity")


def _summary(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
