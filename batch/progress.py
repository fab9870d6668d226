"""How far a run is: a line that is written anew on a terminal, lines of JSON anywhere else."""

from __future__ import annotations

import json
import time
from typing import TextIO

EVERY = {True: 0.2, False: 5.0}  # seconds between reports: on a terminal, elsewhere


class Progress:
    """Counts photos. `done` are those of earlier runs: they count as done, not for the rate."""

    def __init__(self, photos: int, done: int, stream: TextIO):
        self._photos, self._before, self._now, self._failed = photos, done, 0, 0
        self._stream, self._terminal = stream, stream.isatty()
        self._began = time.monotonic()
        self._reported = 0.0

    @property
    def done(self) -> int:
        return self._before + self._now

    def add(self, photos: int, failed: int) -> None:
        """So many more photos are explained, of which some could not be read."""
        self._now += photos
        self._failed += failed
        if time.monotonic() - self._reported >= EVERY[self._terminal]:
            self.report()

    def report(self, end: str = "") -> None:
        self._reported = time.monotonic()
        seconds = self._reported - self._began
        rate = self._now / seconds if seconds > 0 else 0.0
        left = (self._photos - self.done) / rate if rate else None
        if self._terminal:
            words = f"{self.done:,} of {self._photos:,} photos, {rate:.1f} a second, {_duration(left)} left"
            words += f", {self._failed:,} unreadable" if self._failed else ""
            self._stream.write(f"\r\x1b[K{words}{end}")
        else:
            report = {
                "done": self.done,
                "photos": self._photos,
                "failed": self._failed,
                "photos_per_second": round(rate, 2),
            }
            self._stream.write(json.dumps(report | {"seconds_left": None if left is None else round(left)}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """The last report, which stays."""
        self.report("\n")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
