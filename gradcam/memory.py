"""Memory: what cannot fit is refused before it is begun, and what did not fit on a GPU is tried in halves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

MEMINFO = Path("/proc/meminfo")
FULL = ("out of memory", "ALLOC_FAILED")  # in the messages of Metal and of the libraries around CUDA

Result = TypeVar("Result")


class Batch(Protocol):
    """A list, range or tensor: something with a length and slices."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


def require(needed: int, device, what: str, remedy: str) -> None:
    """Raises MemoryError, which says what needs so many bytes and what to do, when `device` has less than that free."""
    free = available(device)
    if free is not None and needed > free:
        raise MemoryError(f"{what} need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free: {remedy}")


def available(device) -> int | None:
    """Free bytes on the device, or None where they are unknown."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = MEMINFO.read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def ran_out(error: RuntimeError) -> bool:
    """Whether something failed because a GPU's memory is full; not the CPU's, for which there is no fallback."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in FULL)


def in_halves(work: Callable[[Any], Result], batch: Batch) -> list[Result]:
    """[work(batch)]; where the GPU's memory does not hold that, the results of its halves in order, and of theirs.

    Raises what `work` raises: torch.OutOfMemoryError, where not even one fits.
    """
    try:
        return [work(batch)]
    except RuntimeError as error:
        if len(batch) == 1 or not ran_out(error):
            raise
    middle = len(batch) // 2  # after the handler: the error's traceback refers to what did not fit
    return [*in_halves(work, batch[:middle]), *in_halves(work, batch[middle:])]
