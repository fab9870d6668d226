"""A photo again, by its row's `path`."""

from __future__ import annotations

import os
import re

import numpy as np

from classifiers.photos.decode import decode_photo
from classifiers.photos.formats import PhotoError

from .sources import Archive, Files, file_and_member, members, printable


def photo_at(label: str) -> np.ndarray | None:
    """RGB [H, W, 3] uint8 of the photo at a row's path; None where it cannot be read, or lies in a Parquet file.

    Names that are not UTF-8 are found as well: their \\xff is turned back.
    """
    try:
        (taken,) = _sources(label)
        return decode_photo(taken.read()).pixels
    except (PhotoError, ValueError):
        return None


def _sources(label):
    path, inner = file_and_member(label)
    if inner is not None and path.lower().endswith(".tar"):
        archive = _name(path)
        places = [at for at, member in enumerate(members(archive)) if printable(member.name) == inner][:1]
        return [taken for at in places for taken in Archive(archive, at, at + 1).photos()]
    return Files((_name(label),)).photos()


def _name(label):
    name = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), label.encode())
    return label if os.path.lexists(label) else os.fsdecode(name)
