"""Photos in a folder for each class, `DIR/<class>/*.jpg`: what lies there.

Folders in a class's folder are counted and not looked into, so that a link to a parent cannot lead around in circles.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MOST = 20_000  # photos; more are no work for a page


@dataclass(frozen=True)
class ClassFolders:
    """What lies in a folder of class folders."""

    photos: tuple[tuple[str, Path], ...]  # (the folder's name, the file), sorted; at most MOST
    nested: int  # folders in the classes' folders
    omitted: int  # photos beyond MOST
    unreadable: tuple[Path, ...]  # classes' folders


def class_folders(folder: Path) -> ClassFolders:
    """The photos of `folder`'s folders, hidden ones left out. Raises OSError where `folder` itself cannot be read."""
    of_class, nested, unreadable = {}, 0, []
    for path in sorted(path for path in folder.iterdir() if _is_visible(path) and path.is_dir()):
        try:
            inside = sorted(filter(_is_visible, path.iterdir()))
        except OSError:
            unreadable.append(path)
            continue
        files = [file for file in inside if file.suffix.lower() in SUFFIXES]
        nested += sum(entry.is_dir() for entry in inside if entry.suffix.lower() not in SUFFIXES)
        if files:
            of_class[path.name] = files
    kept = _at_most(MOST, of_class)
    photos = tuple((name, file) for name, files in kept.items() for file in files)
    omitted = sum(map(len, of_class.values())) - len(photos)
    return ClassFolders(photos, nested, omitted, tuple(unreadable))


def first_of_each(photos: Iterable[tuple[str, Path]], each: int, most: int) -> list[tuple[str, Path]]:
    """`each` of every class, fewer where that would be more than `most`, and never more than `most`."""
    of_class: dict[str, list[Path]] = {}
    for name, file in photos:
        of_class.setdefault(name, []).append(file)
    each = max(1, min(each, most // max(1, len(of_class))))
    return list(chain.from_iterable([(name, file) for file in of_class[name][:each]] for name in of_class))[:most]


def _is_visible(path):
    return not path.name.startswith(".")


def _at_most(most, of_class):
    """The first photos of each class, as many of each as there may be where all together are too many."""
    if sum(map(len, of_class.values())) <= most:
        return of_class
    each = most // len(of_class)
    kept = {name: files[: max(1, each)] for name, files in of_class.items()}
    return dict(list(kept.items())[:most])
