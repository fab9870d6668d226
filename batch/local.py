"""The engine of one machine: pieces of the work, in order, from this process or from several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path

from gradcam.allocator import keep_freed_memory

from .explaining import Explaining, Piece
from .options import Options, Pace, Stopped
from .rows import Row
from .truth import Truth

AHEAD = 2  # pieces that wait or are done for each worker, beside the one it works on
DEATHS = 3  # workers in a row that end at single photos: then it is not the photos' fault
ENDED = "The process that explained this photo ended without a word; it was tried twice."

Result = tuple[Piece, list[Row]]


def in_this_process(pieces: Iterable[Piece], explaining: Explaining) -> Iterator[Result]:
    """One piece after the other."""
    for piece in pieces:
        yield piece, explaining.rows(piece)


class Workers:
    """Processes that explain pieces. One that is killed or crashes is replaced, and its photos are done again.

    A photo at which a worker ends twice gets a row that says so.
    """

    def __init__(self, count: int, options: Options, pace: Pace, out: Path, truth: Truth):
        self._count, self._started_with, self._truth = count, (options, pace, out, truth), truth
        self._pool = self._start()

    def explain(self, pieces: Iterable[Piece]) -> Iterator[Result]:
        """Each piece with its rows, in order. Raises Stopped where workers cannot live."""
        left, waiting = iter(pieces), deque()
        while True:
            try:
                while len(waiting) < self._count * (1 + AHEAD) and (piece := next(left, None)) is not None:
                    waiting.append((piece, self._submit(piece)))
                if not waiting:
                    return
                result = waiting[0][1].result()
            except BrokenProcessPool:
                yield from self._one_by_one([piece for piece, _ in waiting])
                waiting.clear()
                continue
            yield waiting.popleft()[0], result

    def close(self) -> None:
        """End the workers, in the middle of their work if need be."""
        _kill(self._pool)

    def _start(self):
        return ProcessPoolExecutor(
            self._count, multiprocessing.get_context("spawn"), _begin, (*self._started_with, os.getpid())
        )

    def _submit(self, piece) -> Future:
        with _interrupts_held():  # workers inherit this: Ctrl-C is for the process that holds the run together
            return self._pool.submit(_work, piece)

    def _one_by_one(self, pieces):
        """Photo by photo after a worker's end, so that it shows at which photo another one ends."""
        deaths = 0
        self._replace()
        for piece in pieces:
            rows = []
            for number in range(piece.start, piece.stop):
                single = part_of(piece, number)
                try:
                    rows += self._submit(single).result()
                    deaths = 0
                except BrokenProcessPool:
                    deaths += 1
                    if deaths == DEATHS:
                        raise Stopped(
                            "Worker processes end again and again, perhaps for want of memory; start the same command "
                            "again with fewer --workers or a smaller --batch-size."
                        ) from None
                    self._replace()
                    rows.append(self._row_of_the_dead(single))
            yield piece, rows

    def _row_of_the_dead(self, single):
        (label,) = (label for source in single.sources for label in source.labels())
        return Row(single.start, label, truth=self._truth.of(label), error=ENDED)

    def _replace(self):
        _kill(self._pool)
        self._pool = self._start()


def part_of(piece: Piece, number: int) -> Piece:
    """One photo of a piece."""
    before = piece.start
    for source in piece.sources:
        if number < before + source.count:
            return Piece(number, number + 1, (source.part(number - before, number - before + 1),))
        before += source.count
    raise IndexError(number)


def _kill(pool):
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(cancel_futures=True)


_held: list[Explaining] = []  # by a worker process: one


def _begin(options, pace, out, truth, parent):
    """In a new worker. A thread ends it with its parent, which may be killed and then ends nothing itself."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    keep_freed_memory()
    _held.append(Explaining(options, pace, out, truth))


def _end_with(parent):
    process = multiprocessing.parent_process()
    if process is not None and process.pid == parent:
        connection.wait([process.sentinel])
        os._exit(1)


def _work(piece):
    (explaining,) = _held
    return explaining.rows(piece)


@contextmanager
def _interrupts_held():
    """SIGINT and SIGTERM reach this thread later, and processes that start here not at all."""
    held = (signal.SIGINT, signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
