"""A run from its beginning, or from where it stopped: find, compare, explain what is left, write, report."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from .options import CHUNK, Options, Pace, Refused, Stopped

INSTALL = {
    "pyarrow": "Parquet is written with pyarrow, which is not installed: pip install -r batch/requirements.txt",
    "ray": "The engine ray is not installed: pip install -r batch/requirements.txt, or use --engine local",
}


def run(
    photos: Iterable[str | os.PathLike],
    out: str | os.PathLike,
    options: Options | None = None,
    pace: Pace | None = None,
    progress: TextIO | None = None,
) -> int:
    """Explain `photos` to part-*.parquet and report.html in the folder `out`; the number of photos there.

    photos: folders, files, globs, lists of paths, .tar, .parquet. A run that is there already is gone on with.
    progress: where lines on the progress go, standard error by default.
    Raises Refused for what cannot be done, Stopped where the run ends early and can go on; each is one sentence.
    """
    options, pace, out = options or Options(), pace or Pace(), Path(out).absolute()
    _require("pyarrow")
    if pace.engine == "ray":
        _require("ray")
    from .finding import find
    from .folder import enter, gaps, locked, run_of
    from .truth import from_anywhere

    options = replace(options, truth=from_anywhere(options.truth))
    inputs = find(photos, out, options.column)
    explaining = _explaining(options, pace, out)
    question = explaining.question
    explaining.truth.check((label for source in inputs.sources for label in source.labels()), options.model)
    this = run_of(options, inputs, question.revision(), question.rows_per_photo, explaining.truth.digest)
    with locked(out):
        done = enter(out, this)
        left = gaps(inputs.count, done)
        if left:
            with _interrupted_in_a_sentence(out):
                _explain(inputs, left, this, explaining, progress or sys.stderr)
        _finish(out, this)
    return inputs.count


def _require(package):
    if find_spec(package) is None:
        raise Refused(INSTALL[package] + ".")


def _explaining(options, pace, out):
    """The classifier, asked once about a grey photo: what cannot work at all is refused before the first photo."""
    from .explaining import Explaining

    try:
        explaining = Explaining(options, pace, out)
        explaining.check()
    except Refused:
        raise
    except (ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise Refused(f"{options.method} of {options.model} cannot be computed: {error}") from None
    return explaining


def _explain(inputs, left, this, explaining, stream):
    from .explaining import Piece
    from .progress import Progress

    progress = Progress(inputs.count, inputs.count - sum(map(len, left)), stream)
    pace = explaining.pace
    size = CHUNK if pace.engine == "local" else max(1, pace.shard_rows // this.rows_per_photo)
    size = max(1, min(size, pace.shard_rows // this.rows_per_photo))
    pieces = [Piece(part.start, part.stop, inputs.part(part.start, part.stop)) for part in _cut(left, size)]
    try:
        if pace.engine == "ray":
            from .on_ray import explain

            for photos, failed in explain(pieces, explaining, this.id):
                progress.add(photos, failed)
        else:
            _locally(pieces, this, explaining, progress)
    finally:
        progress.close()


def _locally(pieces, this, explaining, progress):
    from gradcam.allocator import keep_freed_memory

    from .local import Workers, in_this_process
    from .writing import Writer

    pace, out = explaining.pace, explaining.out
    count = pace.workers_for(sum(piece.stop - piece.start for piece in pieces)) if explaining.device == "cpu" else 1
    workers = Workers(count, explaining.options, pace, out, explaining.truth) if count > 1 else None
    if workers is None:
        keep_freed_memory()
    try:
        with Writer(out, this.id, pace.shard_rows) as writer:
            results = workers.explain(pieces) if workers else in_this_process(pieces, explaining)
            for piece, rows in results:
                writer.take(range(piece.start, piece.stop), rows)
                progress.add(piece.stop - piece.start, sum(row.error is not None for row in rows))
    finally:
        if workers:
            workers.close()


def _cut(left: list[range], size: int) -> Iterator[range]:
    """Ranges of at most `size`, at the same places however often the run was stopped: at multiples of it."""
    for gap in left:
        start = gap.start
        while start < gap.stop:
            stop = min(gap.stop, (start // size + 1) * size)
            yield range(start, stop)
            start = stop


def _finish(out, this):
    """Every photo must be there once; then the report."""
    from .folder import enter, gaps
    from .report import write_report

    missing = gaps(this.photos, enter(out, this))
    if missing:
        raise Stopped(
            f"Photos {missing[0].start} to {missing[0].stop - 1} are missing in {out}; start the command again."
        )
    write_report(out)


@contextmanager
def _interrupted_in_a_sentence(out):
    """Ctrl-C, and SIGTERM alike, end the run with a sentence once what is done is written."""
    received = []

    def interrupt(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if in_main else None
    try:
        yield
    except KeyboardInterrupt:
        code = 128 + (received[0] if received else signal.SIGINT)
        raise Stopped(f"Stopped; start the same command again to go on: what is done lies in {out}.", code) from None
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)
