"""A class meant by a name that is written a little differently, as folders of photos are named."""

import re
import unicodedata
from collections.abc import Collection

_FOR_SPACES = re.compile(r"_|(?<=.)-|-(?!\d)")  # no minus before a number: "-1" often means "of no class"


def class_of_folder(name: str, classes: Collection[str]) -> str | None:
    """The class that a folder is named for: exactly, or else but for case, `_` and `-` in place of spaces.

    None where there is none, or more than one.
    """
    if name in classes:
        return name
    alike = [known for known in classes if _plain(known) == _plain(name)]
    return alike[0] if len(alike) == 1 else None


def _plain(name):
    composed = unicodedata.normalize("NFC", name)  # macOS and some archives hold "é" as two characters
    return " ".join(_FOR_SPACES.sub(" ", composed.strip()).casefold().split())
