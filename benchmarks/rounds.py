"""Side-by-side timing: every contender once a round, so that whatever else the machine does hits them all alike."""

import statistics
import time


def medians(contenders, rounds: int) -> dict[str, float]:
    """Median milliseconds of each named callable over `rounds` interleaved rounds, after one to warm up."""
    for run in contenders.values():
        run()
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def table(times: dict[str, float], unit: str) -> str:
    """One line a contender: milliseconds, and how many times the contender `unit`."""
    return "\n".join(f"{name:<44} {ms:8.1f} ms {ms / times[unit]:7.2f} ×" for name, ms in times.items())
