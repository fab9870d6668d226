"""A class meant by a name that is written a little differently, as folders of photos are named."""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

_FOR_SPACES = re.compile(r"_|(?<=.)-|-(?!\d)")  # no minus before a number: "-1" often means "of no class"


def class_of_folder(name: str, classes: Collection[str]) -> str | None:
    """The class that a folder is named for: exactly, or else but for case, `_` and `-` in place of spaces.

    None where there is none, or more than one.
    """
    if name in classes:
        return name
    return _by_plain_name(tuple(classes)).get(_plain(name))


@lru_cache(maxsize=8)  # a table may hold a hundred thousand names that are none of a thousand classes
def _by_plain_name(classes):
    """Plain name → class; None where several are plainly named so."""
    found = {}
    for known in classes:
        plain = _plain(known)
        found[plain] = None if plain in found else known
    return found


def _plain(name):
    composed = unicodedata.normalize("NFC", name)  # macOS and some archives hold "é" as two characters
    return " ".join(_FOR_SPACES.sub(" ", composed.strip()).casefold().split())
