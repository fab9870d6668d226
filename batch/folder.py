"""The folder of a run: its manifest, its lock, and its parts, each there as a whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from .options import Options, Refused, Stopped

if TYPE_CHECKING:
    import pyarrow as pa

    from .finding import Inputs

MANIFEST, LOCK = "manifest.json", ".lock"
RUN = b"batch.run"  # in a part's metadata: the manifest that it belongs to
_PART = re.compile(r"part-(\d{12})-(\d{12})\.parquet")
_KINDS = {"Files": "files", "Archive": "photos in tar archives", "Table": "rows of Parquet", "Broken": "unreadable"}


@dataclass(frozen=True)
class Run:
    """What a folder is for. Everything in it was made of these, so that started again the rows fit."""

    options: Options
    weights: str  # the commit of a repository, or a hash of the weights
    photos: int
    inputs: str  # a digest of the names, sizes and times of change of all files
    sources: dict[str, int]  # how many photos of each kind
    rows_per_photo: int
    truth: str = ""  # a digest of the table of true classes
    form: int = 2  # of this folder

    def as_json(self) -> dict:
        return json.loads(json.dumps(asdict(self)))

    @property
    def id(self) -> str:
        """A hash of all of it."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


def run_of(options: Options, inputs: Inputs, weights: str, rows_per_photo: int, truth: str = "") -> Run:
    """The run that is asked for now."""
    sources = {}
    for source in inputs.sources:
        kind = _KINDS[type(source).__name__]
        sources[kind] = sources.get(kind, 0) + source.count
    return Run(options, weights, inputs.count, inputs.digest, sources, rows_per_photo, truth)


@contextmanager
def locked(out: Path):
    """Make the folder, and keep other runs out of it; a process that ends lets go of it. Raises Refused."""
    with as_sentences(out):
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"Another run is writing to {out}; wait for it, or name another folder with --out.") from None
        yield
    finally:
        os.close(descriptor)


def enter(out: Path, run: Run) -> list[range]:
    """Write the manifest or compare it, and give the ranges of photos that are done. Raises Refused where they differ.

    What a killed run left half written is removed.
    """
    with as_sentences(out):
        parts = sorted(path for path in out.glob("part-*") if _PART.fullmatch(path.name))
        if (out / MANIFEST).exists():
            _compare(out, read_manifest(out), run)
        elif parts:
            raise Refused(f"{out} holds parts but no manifest.json; name another folder with --out.")
        else:
            write_atomically(out / MANIFEST, (json.dumps(run.as_json(), indent=1) + "\n").encode())
        for left in out.glob("*.tmp"):
            left.unlink()
        done = [_range_of(path, run) for path in parts]
    for before, after in pairwise(done):
        if after.start < before.stop:
            raise Refused(f"Two parts in {out} hold photo {after.start}; delete one of them and start again.")
    return done


def read_manifest(out: Path) -> dict:
    """Raises Refused where there is none that can be read."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        if manifest["form"] != Run.form:
            raise Refused(f"{out} was written by another version of this program; name another folder with --out.")
        Options(**manifest["options"])
        return manifest
    except Refused:
        raise
    except FileNotFoundError:
        raise Refused(f"{out} holds no run: there is no manifest.json in it.") from None
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{out / MANIFEST} is damaged; name another folder with --out.") from None


def _compare(out, before, run):
    now = run.as_json()
    if before == now:
        return
    changed = [name for name, value in now["options"].items() if before["options"].get(name) != value]
    if changed:
        what = ", ".join(f"{name} was {before['options'].get(name)!r}" for name in changed)
        raise Refused(f"{out} holds a run with other options ({what}); use these, or name another folder with --out.")
    names = {"weights": "weights of the model", "truth": "true classes"}
    what = next((name for field, name in names.items() if before[field] != now[field]), "photos")
    raise Refused(f"The {what} have changed since {out} was begun; name another folder with --out.")


def _range_of(path, run):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        metadata = {}
    if metadata.get(RUN) != run.id.encode():
        raise Refused(f"{path} is damaged or of another run; delete it and start again: its photos are done again.")
    return range(*map(int, _PART.fullmatch(path.name).groups()))  # pyright: ignore[reportOptionalMemberAccess]


def gaps(count: int, done: list[range]) -> list[range]:
    """The photos out of `count` that no part holds. done: ascending."""
    ends = [0, *(part.stop for part in done)]
    starts = [*(part.start for part in done), count]
    return [range(start, stop) for start, stop in zip(ends, starts) if start < stop]


def write_part(out: Path, part: range, table: pa.Table, run_id: str) -> Path:
    """part-FIRST-AFTER.parquet, on the disk when this returns. Raises Stopped for a full disk and the like."""
    import pyarrow.parquet as pq

    from .rows import REPEATED

    path = out / f"part-{part.start:012d}-{part.stop:012d}.parquet"
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    table = table.replace_schema_metadata({RUN: run_id.encode()})
    with as_sentences(out), _removed_on_error(partial):
        with partial.open("wb") as file:
            pq.write_table(table, file, compression="zstd", use_dictionary=list(REPEATED))  # pyright: ignore[reportArgumentType]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(out)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """A file that is there as a whole or not at all, also after a power cut."""
    partial = path.with_name(f"{path.name}.tmp")
    with _removed_on_error(partial):
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)


@contextmanager
def _removed_on_error(path):
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def as_sentences(out: Path):
    """Errors of the file system as Stopped, with one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Stopped(f"The disk of {out} is full; free some space and start the same command again.") from None
        raise Stopped(
            f"{out} cannot be written to ({error.strerror or error}); allow it, or name another folder with --out."
        ) from None
