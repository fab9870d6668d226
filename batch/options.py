"""What a run is asked for, how fast it may go, and the two ways in which it ends early."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal


class Refused(ValueError):  # noqa: N818 (what happened, not a kind of error)
    """The run cannot be done as it was asked for. One sentence: what is wrong, and what to do."""


class Stopped(RuntimeError):  # noqa: N818
    """The run ended before all photos were done, and can go on from there. One sentence: why, and what to do."""

    def __init__(self, sentence: str, code: int = 3) -> None:
        super().__init__(sentence)
        self.code = code  # of the process


@dataclass(frozen=True)
class Options:
    """What is explained. Another value makes other rows, so a run that is gone on with must have the same."""

    model: str = "embedded"  # a name of the catalogue, owner/name[@revision] of the Hub, or a folder
    method: str = "Grad-CAM"  # a key of gradcam.METHODS
    targets: str = "predicted"  # or "top5", "all", or names of classes with commas between them
    layers: str = ""  # names or columns with commas between them, "all" for each of the classifier's; "": the deepest
    truth: str = ""  # "folders", or a CSV with the columns file and class: what the photos really show
    column: str = "image"  # of Parquet files, with the photos' bytes
    overlays: bool = False  # whether each heatmap is also written as a JPEG, laid over the photo


# Measured on 2 cores with the embedded network, 480 photos, whole run with its start; see benchmarks/README.md.
BATCH_SIZE = 8
CHUNK = 64  # photos that a worker takes at a time: what a killed worker must do again


@dataclass(frozen=True)
class Pace:
    """How the work is divided. Another value makes the same rows."""

    engine: Literal["local", "ray"] = "local"
    workers: int = 0  # processes; 0: one for each core, of a GPU machine one
    threads: int = 1  # of torch in each
    batch_size: int = BATCH_SIZE  # photos that share a forward pass
    shard_rows: int = 8192  # rows of one part-*.parquet
    device: str = "auto"  # "cpu", "cuda", or "auto": a GPU where there is one
    address: str = ""  # "ray": of a cluster that runs already; "": one on this machine

    def workers_for(self, photos: int) -> int:
        """A process that has to be started pays off from some PHOTOS_WORTH_A_PROCESS on."""
        return self.workers or max(1, min(cores(), photos // PHOTOS_WORTH_A_PROCESS))


PHOTOS_WORTH_A_PROCESS = 200  # starting one takes 4 s of a core: the time of 200 photos


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
