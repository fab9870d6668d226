"""Side-by-side timing: every contender runs once per round, so that other load on the machine affects all alike."""

import statistics
import time
from collections.abc import Callable

import torch


def medians(contenders, rounds: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Median milliseconds of each named callable over `rounds` interleaved rounds, after one warm-up round."""
    for run in contenders.values():
        run()
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            times[name].append(time_once(run, clock))
    return {name: statistics.median(values) for name, values in times.items()}


def time_once(run, clock: Callable[[], float] = time.perf_counter) -> float:
    """Milliseconds that a callable takes, including work it queued on a GPU.

    clock: `time.process_time` counts what this process computed, in all of its threads, and no other load.
    """
    started = clock()
    run()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return (clock() - started) * 1000


def describe_device(device: str) -> str:
    """One line on torch, the device and the CPU threads, for the head of a table."""
    name = f" ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else ""
    return f"torch {torch.__version__}, {device}{name}, {torch.get_num_threads()} CPU threads"


def table(times: dict[str, float], baseline: str) -> str:
    """One line per contender: milliseconds, and the ratio to the contender `baseline`."""
    return "\n".join(f"{name:<44} {ms:8.1f} ms {ms / times[baseline]:7.2f} ×" for name, ms in times.items())
