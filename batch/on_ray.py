"""The engine of many machines: Ray Data hands pieces to actors that hold the network, and each writes its own parts.

Photos and the folder of the run must lie where every machine finds them under the same path. A piece is one part: an
actor that is killed is replaced by Ray and its piece done again, under the same name, so that each photo is there once.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator

from gradcam.allocator import keep_freed_memory

from .explaining import Explaining, Piece
from .folder import write_part
from .options import Options, Pace, Stopped
from .rows import table_of
from .truth import Truth


class Actor:
    """Holds a network for as long as Ray keeps it."""

    def __init__(self, options: Options, pace: Pace, out, truth: Truth, run_id: str):
        keep_freed_memory()
        self._explaining, self._run_id = Explaining(options, pace, out, truth), run_id

    def __call__(self, batch: dict) -> dict:
        """Batches of one piece. What is sent back are two numbers."""
        counted = [self._write(piece) for piece in batch["piece"]]
        return {"photos": [photos for photos, _ in counted], "failed": [failed for _, failed in counted]}

    def _write(self, packed):
        piece: Piece = pickle.loads(packed)
        rows = self._explaining.rows(piece)
        part = range(piece.start, piece.stop)
        write_part(self._explaining.out, part, table_of(rows), self._run_id)
        return len(part), sum(row.error is not None for row in rows)


def explain(pieces: list[Piece], explaining: Explaining, run_id: str) -> Iterator[tuple[int, int]]:
    """For each piece, as it is written, its photos and how many of them could not be read. Raises Stopped."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    import ray  # pyright: ignore[reportMissingImports]  # an extra
    from ray.exceptions import RayError  # pyright: ignore[reportMissingImports]

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    pace = explaining.pace
    ray.init(pace.address or None, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = 0
        packed = ray.data.from_items(
            [{"piece": pickle.dumps(piece)} for piece in pieces], override_num_blocks=len(pieces)
        )
        done = packed.map_batches(
            Actor,
            fn_constructor_args=(explaining.options, pace, explaining.out, explaining.truth, run_id),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=_actors(ray, pace, len(pieces))),
            num_cpus=pace.threads,
            num_gpus=1 if pace.device == "cuda" or (pace.device == "auto" and _gpus(ray)) else None,
        )
        for row in done.iter_rows():
            yield int(row["photos"]), int(row["failed"])
    except RayError as error:
        raise Stopped(f"Ray gave up ({_last_line(error)}); start the same command again to go on.") from None
    finally:
        ray.shutdown()


def _actors(ray, pace, pieces):
    """One for each core or GPU but one core, which reads the pieces: with none left, Ray's own tasks starve."""
    room = int(_gpus(ray) or (ray.cluster_resources().get("CPU", 1) - 1) // pace.threads)
    return max(1, min(pace.workers or room, pieces))


def _gpus(ray):
    return ray.cluster_resources().get("GPU", 0)


def _last_line(error):
    return (str(error).strip().splitlines() or ["no more is known"])[-1][:200].rstrip(".")
