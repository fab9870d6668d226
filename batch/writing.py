"""Rows in the order of the photos to parts of a bounded size, in a thread of its own."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .folder import write_part
from .rows import Row, table_of

SAVE_SECONDS = 60  # what a killed run loses of a slow network, at most


class Writer:
    """Takes ranges of photos as they come. Ranges that follow each other share a part, up to `shard_rows` rows.

    As a context it writes what is left at the end, also when that is an error: what was computed is not lost. Raises
    Stopped where a part cannot be written, perhaps one call later.
    """

    def __init__(self, out: Path, run_id: str, shard_rows: int):
        self._out, self._run_id, self._shard_rows = out, run_id, shard_rows
        self._rows: list[Row] = []
        self._first = self._next = 0
        self._since = time.monotonic()
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future | None = None

    def take(self, part: range, rows: list[Row]) -> None:
        """The rows of `part`. A range that does not follow the one before begins another part."""
        if self._rows and part.start != self._next:
            self._flush()
        if not self._rows:
            self._first, self._since = part.start, time.monotonic()
        self._rows += rows
        self._next = part.stop
        if len(self._rows) >= self._shard_rows or time.monotonic() - self._since > SAVE_SECONDS:
            self._flush()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            self._flush()
            self._wait()
        finally:
            self._thread.shutdown()

    def _flush(self):
        self._wait()  # at most one part waits in memory
        if self._rows:
            self._writing = self._thread.submit(self._write, range(self._first, self._next), self._rows)
            self._rows = []

    def _write(self, part, rows):
        write_part(self._out, part, table_of(rows), self._run_id)

    def _wait(self):
        if self._writing:
            writing, self._writing = self._writing, None
            writing.result()
