"""Side-by-side timing: every contender once a round, so that whatever else the machine does hits them all alike."""

import statistics
import time

import torch


def medians(contenders, rounds: int) -> dict[str, float]:
    """Median milliseconds of each named callable over `rounds` interleaved rounds, after one to warm up."""
    for run in contenders.values():
        run()
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            times[name].append(once(run))
    return {name: statistics.median(values) for name, values in times.items()}


def once(run) -> float:
    """Milliseconds that a callable takes, with what it left to a GPU."""
    started = time.perf_counter()
    run()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) * 1000


def told(device: str) -> str:
    """The device in words, for the head of a table."""
    named = f" ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else ""
    return f"torch {torch.__version__}, {device}{named}, {torch.get_num_threads()} CPU threads"


def table(times: dict[str, float], unit: str) -> str:
    """One line a contender: milliseconds, and how many times the contender `unit`."""
    return "\n".join(f"{name:<44} {ms:8.1f} ms {ms / times[unit]:7.2f} ×" for name, ms in times.items())
