"""What photos really show: the class of the folder that each lies in, or that a table names. So a run is an audit."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from classifiers.class_names import class_of_folder

from .options import Refused
from .sources import clause, file_and_member, printable

FOLDERS = "folders"
SHOWN = 80  # characters of a table's first line, in a sentence


def from_anywhere(wanted: str) -> str:
    """The same truth from any working folder: a table by its absolute path."""
    return wanted if wanted in ("", FOLDERS) else os.path.abspath(wanted)


class Truth:
    """The true class of each photo, where it is known. It is read once, and sent to whoever explains photos.

    wanted:  "" for none; "folders", the name of the folder that a photo lies in, on the disk or in an archive; or a CSV
             file with the columns `file`, from its own folder on, and `class`.
    classes: of the network. A name may differ in case, and have `_` or `-` for spaces.

    Raises Refused for a table that cannot be read, or without these columns, or that contradicts itself.
    """

    def __init__(self, wanted: str, classes: Collection[str]):
        self.classes = tuple(classes)
        self.digest = ""  # of the table
        self._meant: dict[str, str | None] = {}  # name → class
        self._of_file: dict[str, str | None] = {}
        self._wanted = wanted
        if wanted not in ("", FOLDERS):
            content = _content(wanted)
            self.digest = hashlib.sha256(content).hexdigest()
            self._read(content)

    def of(self, label: str) -> str | None:
        """The class of a photo by where it lies, a path or "ARCHIVE::MEMBER"; None where none of the network's is."""
        if self._wanted != FOLDERS:
            return self._of_file.get(_key(label))
        file, inside = file_and_member(label)
        return self._named(PurePosixPath(file if inside is None else inside).parent.name)

    def check(self, labels: Iterable[str], model: str) -> None:
        """Raises Refused where it says nothing of any of the photos, by their labels."""
        if not self._wanted:
            return
        if not self.classes:
            raise Refused(f"{model} answers with a number, so that no answer is right or wrong; leave --truth out.")
        first, listed = "", False
        for label in labels:
            if self.of(label) is not None:
                return
            first, listed = first or label, listed or _key(label) in self._of_file
        raise Refused(self._silence(first, listed, model))

    def _silence(self, photo, listed, model):
        """Why it says nothing of any photo. photo: the first. listed: whether the table names one at all."""
        table, (file, inside) = printable(self._wanted), file_and_member(photo)
        if self._wanted == FOLDERS and inside is not None and not file.lower().endswith(".tar"):
            return f"The rows of {file} lie in no folder; name a table with lines such as {photo},{self.classes[0]}."
        if self._wanted != FOLDERS and not self._of_file:
            return f'{table} names no file; write one in each line, or name another table, or "{FOLDERS}".'
        if self._wanted != FOLDERS and not listed:
            first = next(iter(self._of_file))
            return (
                f"{table} names none of the photos: its first is {first}, theirs {photo}; write each as a whole path, "
                "or as one from the table's own folder on."
            )
        known = ", ".join(self.classes[:10]) + " …" * (len(self.classes) > 10)
        return f"--truth {table} names no class of {model} for any photo; its classes are {known}."

    def _named(self, name):
        if name not in self._meant:
            self._meant[name] = class_of_folder(name, self.classes) if name else None
        return self._meant[name]

    def _read(self, content):
        folder = os.path.dirname(os.path.abspath(self._wanted))
        for line, file, name in _lines(self._wanted, content):
            if not file:
                continue
            place, meant = _key(printable(os.path.join(folder, file))), self._named(name)
            if self._of_file.setdefault(place, meant) != meant:
                raise Refused(
                    f"Line {line} of {printable(self._wanted)} gives {file!r} another class than a line above; "
                    "leave one of them out."
                )


def _key(label):
    """A place in one way of writing: macOS and some archives hold "é" as two characters."""
    return unicodedata.normalize("NFC", os.path.normpath(label))


def _content(path):
    try:
        if not Path(path).is_file():  # reading a pipe or a device might never end
            raise ValueError("it is not a file" if Path(path).exists() else "it is not there")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or clause(error)) from None


def _lines(path, content) -> Iterator[tuple[int, str, str]]:
    """Number, file and class of each line of a CSV, as they are written there."""
    rows = _rows(path, content)
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    if not {"file", "class"}.issubset(names):
        raise Refused(
            f'{printable(path)} has no columns "file" and "class", its first line is {",".join(header)[:SHOWN]!r}; '
            f'write them there with a comma between, or name another table, or "{FOLDERS}".'
        )
    for line, row in rows:
        if any(row[len(names) :]):
            raise Refused(
                f"Line {line} of {printable(path)} has more columns than its first; put a name that holds a comma "
                "between quotation marks."
            )
        of_column = dict(zip(names, row))
        yield line, of_column.get("file", ""), of_column.get("class", "")


def _rows(path, content):
    """The rows of a CSV and the numbers of the lines that they end at."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is no text in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise _unreadable(path, f"{clause(error)} in line {reader.line_num}") from None


def _unreadable(path, reason):
    return Refused(
        f"The table {printable(path)} of true classes cannot be read: {reason}; name a CSV file in UTF-8, or "
        f'"{FOLDERS}" for the folders that photos lie in.'
    )
