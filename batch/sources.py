"""Where photos come from: files, WebDataset archives, Parquet with images. Each gives any range of its photos again."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from classifiers.photos.formats import MAX_BYTES, PhotoError

# Also of formats that are refused: a photo that cannot be read is a row with its error, not a gap.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".ico", ".psd"),
)
ROWS_AT_ONCE = 32  # of a Parquet file, in memory
_INSIDE = re.compile(r"(.+?\.(?:tar|parquet))::(.*)", re.IGNORECASE | re.DOTALL)


class Taken(NamedTuple):
    """A photo that is about to be read."""

    label: str  # where it lies: a file, "ARCHIVE::MEMBER" or "PARQUET::ROW"
    read: Callable[[], bytes]  # its content; raises PhotoError


def printable(name: str | bytes) -> str:
    """A file's name as text that any program takes: bytes that are not UTF-8 become \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def file_and_member(label: str) -> tuple[str, str | None]:
    """Where a photo lies, by its label: the file, and the member or row in it; None for a file of its own."""
    inside = _INSIDE.fullmatch(label)
    return (inside[1], inside[2]) if inside else (label, None)


@dataclass(frozen=True)
class Files:
    """Photos that are files of their own."""

    paths: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.paths)

    def part(self, start: int, stop: int) -> Files:
        return Files(self.paths[start:stop])

    def labels(self) -> Iterator[str]:
        return map(printable, self.paths)

    def photos(self) -> Iterator[Taken]:
        for label, path in zip(self.labels(), self.paths):
            yield Taken(label, lambda path=path: _content(path))


def _content(path: str) -> bytes:
    try:
        if not Path(path).is_file():  # reading a pipe or a device might never end
            raise PhotoError("This is a folder or a device, not a file." if Path(path).exists() else "It is not there.")
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, PhotoError):
            raise
        raise PhotoError(f"The file could not be read: {getattr(error, 'strerror', None) or error}.") from None


@dataclass(frozen=True)
class Archive:
    """Photos in a tar file, read where they lie: nothing is unpacked, and no name in it is ever a path of this machine.

    A member that is no plain file is none of the photos. Where the archive is damaged, its last photo is that error.
    """

    path: str
    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Archive:
        return Archive(self.path, self.start + start, self.start + stop)

    def labels(self) -> Iterator[str]:
        path = printable(self.path)
        return (f"{path}::{printable(member.name)}" for member in self._members())

    def photos(self) -> Iterator[Taken]:
        for label, member in zip(self.labels(), self._members()):
            yield Taken(label, lambda member=member: self._content(member))

    def _members(self):
        return members(self.path)[self.start : self.stop]

    def _content(self, member: Member) -> bytes:
        if member.fault:
            raise PhotoError(member.fault)
        try:
            with Path(self.path).open("rb") as file:
                file.seek(member.offset)
                return file.read(min(member.size, MAX_BYTES + 1))
        except OSError as error:
            raise PhotoError(f"The archive could not be read: {error.strerror}.") from None


class Member(NamedTuple):
    """A photo in an archive; or, as the last one of a damaged archive, what is wrong with it."""

    name: str
    offset: int  # of its content
    size: int
    fault: str = ""


@lru_cache(4)  # a worker takes many parts of one archive; reading the headers of 10,000 members takes 0.3 s
def members(path: str) -> list[Member]:
    """The photos of an archive, in its order."""
    found, last = [], -1
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue]  # else all headers stay
                if member.offset <= last:  # a header may claim a negative size
                    raise ValueError("its headers run backwards")
                last = member.offset
                if member.isreg() and not member.issparse() and is_photo(member.name):
                    found.append(Member(member.name, member.offset_data, member.size))
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        found.append(Member("", 0, 0, f"The archive is damaged here or not a plain tar: {clause(error)}."))
    return found


@dataclass(frozen=True)
class Table:
    """Photos in a column of a Parquet file: bytes, or structs with a field `bytes`, as data sets of the Hub have it."""

    path: str
    column: str
    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Table:
        return Table(self.path, self.column, self.start + start, self.start + stop)

    def labels(self) -> Iterator[str]:
        return map(self._label, range(self.start, self.stop))

    def photos(self) -> Iterator[Taken]:
        row = self.start
        try:
            for value in self._values():
                yield Taken(self._label(row), lambda value=value: _bytes_of(value))
                row += 1
        except OSError as error:  # pyarrow's errors of damaged files are OSErrors
            fault = f"The Parquet file is damaged here: {clause(error)}."
            for left in range(row, self.stop):
                yield Taken(self._label(left), lambda: _raise(fault))

    def _label(self, row):
        return f"{printable(self.path)}::{row}"

    def _values(self):
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            first = 0  # row of the group
            for group in range(file.num_row_groups):
                after = first + file.metadata.row_group(group).num_rows
                if after > self.start and first < self.stop:
                    yield from self._of_group(file, group, self.start - first, self.stop - first)
                first = after

    def _of_group(self, file, group, start, stop):
        """The values of a group's rows, from `start` on where it is not negative."""
        at = 0
        for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[self.column]):
            values = batch.column(0)
            for row in range(max(start - at, 0), min(stop - at, len(values))):
                yield values[row].as_py()
            at += len(values)
            if at >= stop:
                return


def _bytes_of(value):
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise PhotoError("This row of the Parquet file holds no bytes.")
    return data


def rows_of(path: str, column: str) -> int:
    """The rows of a Parquet file with photos. Raises ValueError with a clause for one without such a column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        if column not in schema.names:
            raise ValueError(f"it has no column {column!r} but {', '.join(schema.names[:20])}; name one with --column")
        kind = schema.field(column).type
        if pa.types.is_struct(kind):
            kind = kind.field("bytes").type if kind.get_field_index("bytes") >= 0 else kind
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise ValueError(f"its column {column!r} holds {kind}, not the bytes of photos; name another with --column")
        return file.metadata.num_rows


@dataclass(frozen=True)
class Broken:
    """Something named that holds no photos, as one photo that cannot be read."""

    path: str
    fault: str
    count: int = 1

    def part(self, start: int, stop: int) -> Broken:
        return self

    def labels(self) -> Iterator[str]:
        yield printable(self.path)

    def photos(self) -> Iterator[Taken]:
        yield Taken(printable(self.path), lambda: _raise(self.fault))


Source = Files | Archive | Table | Broken


def _raise(fault):
    raise PhotoError(fault)


def is_photo(name: str) -> bool:
    """By its name: not hidden, and with a photo's suffix."""
    last = name.rpartition("/")[2]
    return not last.startswith(".") and Path(last).suffix.lower() in SUFFIXES


def clause(error: BaseException) -> str:
    """A library's message as the end of a sentence of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
