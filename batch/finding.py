"""From what is named on the command line to numbered photos: folders, globs, lists of paths, archives, Parquet."""

from __future__ import annotations

import glob
import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from .options import Refused
from .sources import Archive, Broken, Files, Source, Table, clause, is_photo, members, printable, rows_of

LISTS, ARCHIVES, TABLES = (".txt", ".lst", ".list"), (".tar",), (".parquet",)
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")


@dataclass(frozen=True)
class Inputs:
    """All photos of a run in their order. A photo's number is its place here."""

    sources: tuple[Source, ...]
    digest: str  # of the names, sizes and times of change of all files

    @property
    def count(self) -> int:
        return sum(source.count for source in self.sources)

    def part(self, start: int, stop: int) -> tuple[Source, ...]:
        """The photos from number `start` up to, without it, `stop`."""
        ends = list(accumulate(source.count for source in self.sources))
        parts = []
        index = bisect_right(ends, start)
        while start < stop:
            source, before = self.sources[index], ends[index] - self.sources[index].count
            upto = min(stop, ends[index])
            parts.append(source.part(start - before, upto - before))
            start, index = upto, index + 1
        return tuple(parts)


def find(named: Iterable[str | os.PathLike], out: str | os.PathLike, column: str = "image") -> Inputs:
    """The photos in what is named, in that order, folders sorted; a file that is named twice counts once.

    What lies in `out` is left out, and so are files whose names begin with a dot. Raises Refused where nothing
    is found, a folder cannot be read, or a Parquet file has no such column.
    """
    fingerprint, sources, loose, seen = hashlib.sha256(column.encode()), [], [], set()
    for path in _all_files([os.path.abspath(one) for one in _expanded(named)], os.path.realpath(out)):
        if path in seen:
            continue
        seen.add(path)
        fingerprint.update(_identity(path))
        if path.lower().endswith((*ARCHIVES, *TABLES)) and os.path.isfile(path):
            sources += [Files(tuple(loose)), _container(path, column)]
            loose = []
        else:
            loose.append(path)
    sources = [source for source in (*sources, Files(tuple(loose))) if source.count]
    if not sources:
        raise Refused("There is no photo in what was named; name a folder, photos, a list, a .tar or a .parquet file.")
    return Inputs(tuple(sources), fingerprint.hexdigest())


def _expanded(named):
    """Paths from names that may be globs."""
    for name in map(os.fspath, named):
        if os.path.lexists(name) or not glob.has_magic(name):
            yield name
            continue
        matches = sorted(glob.glob(name, recursive=True))
        if not matches:
            raise Refused(f"Nothing matches {printable(name)}; check the pattern.")
        yield from matches


def _all_files(paths: Iterable[str], out: str) -> Iterator[str]:
    """Every file that counts, under `paths` or listed in them."""
    for path in paths:
        if os.path.isdir(path):
            yield from _in_folder(path, out, set())
        elif not os.path.lexists(path):
            raise Refused(f"{printable(path)} is not there; check its name.")
        elif path.lower().endswith(PACKED):
            raise Refused(f"{printable(path)} is compressed; unpack it first, photos in it are compressed already.")
        elif path.lower().endswith(LISTS):
            yield from _in_list(path)
        else:
            yield path


def _in_folder(folder, out, visited):
    """Photos, archives and tables, by their names. Links are followed, but no folder is entered twice."""
    real = os.path.realpath(folder)
    if real == out or real in visited:
        return
    visited.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise Refused(
            f"The folder {printable(folder)} cannot be read ({error.strerror}); allow it or leave it out."
        ) from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry.path):  # entry.is_dir raises for a link to itself
            yield from _in_folder(entry.path, out, visited)
        elif is_photo(entry.name) or entry.name.lower().endswith((*ARCHIVES, *TABLES)):
            yield entry.path


def _in_list(path):
    """One path a line, or, where there are any, between zero bytes, as `find -print0` writes them."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"The list {printable(path)} cannot be read ({error.strerror}).") from None
    for line in data.split(b"\0") if b"\0" in data else data.splitlines():
        if line.strip():
            yield os.path.abspath(os.fsdecode(line))


def _identity(path):
    try:
        status = os.stat(path)
        known = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:
        known = "missing"
    return os.fsencode(path) + b"\0" + known.encode() + b"\0"


def _container(path, column) -> Source:
    try:
        if path.lower().endswith(ARCHIVES):
            return Archive(path, 0, len(members(path)))
        return Table(path, column, 0, rows_of(path, column))
    except ValueError as error:
        if type(error) is ValueError:  # ours; pyarrow's are subclasses
            raise Refused(f"{printable(path)} cannot be used: {error}.") from None
        return Broken(path, f"The file is not Parquet or damaged: {clause(error)}.")
    except OSError as error:
        return Broken(path, f"The file is not Parquet or damaged: {clause(error)}.")
