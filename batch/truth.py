"""What photos really show: the class of the folder that each lies in, or that a table names. So a run is an audit."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path, PurePosixPath

from classifiers.class_names import class_of_folder

from .options import Refused
from .sources import file_and_member, printable

FOLDERS = "folders"


class Truth:
    """The true class of each photo, where it is known.

    wanted:  "" for none; "folders", the name of the folder that a photo lies in, on the disk or in an archive; or a CSV
             file with the columns `file`, from its own folder on, and `class`.
    classes: of the network. A name may differ in case, and have `_` or `-` for spaces.

    Raises Refused for a table that cannot be read, or without these columns.
    """

    def __init__(self, wanted: str, classes: Collection[str]):
        self.classes = tuple(classes)
        self.named = lru_cache(maxsize=None)(self._named)
        self.digest, self._of_file = _table(wanted) if wanted not in ("", FOLDERS) else ("", {})
        self._folders = wanted == FOLDERS

    def of(self, label: str) -> str | None:
        """The class of a photo by where it lies, a path or "ARCHIVE::MEMBER"; None where none of the network's is."""
        if self._folders:
            file, inside = file_and_member(label)
            return self.named(PurePosixPath(file if inside is None else inside).parent.name)
        return self.named(self._of_file.get(label, ""))

    def _named(self, name):
        return class_of_folder(name, self.classes) if name else None


def _table(path):
    """The digest of a CSV, and file → class as it is written there."""
    try:
        content = Path(path).read_bytes()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise Refused(f"The table {printable(path)} of true classes cannot be read: {error}.") from None
    if not rows or not {"file", "class"} <= rows[0].keys():
        raise Refused(f'{printable(path)} has no columns "file" and "class"; name a table that has, or "{FOLDERS}".')
    folder = os.path.dirname(os.path.abspath(path))
    named = {printable(os.path.normpath(os.path.join(folder, row["file"] or ""))): row["class"] or "" for row in rows}
    return hashlib.sha256(content).hexdigest(), named
