"""The Pot Plant Dataset's layout on disk: `DIR/<split>/<class number>_<anything>.jpg`, rendered or real photos alike."""

from dataclasses import dataclass
from pathlib import Path

from .catalogue import CLASSES

SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Photos:
    files: tuple[Path, ...]  # M photos, sorted by name
    labels: tuple[int, ...]  # M classes, from the file names


def photos(folder) -> Photos:
    """The labelled photos directly in `folder`. Raises ValueError, naming the layout expected, when there are none."""
    folder = Path(folder)
    wanted = "photos named " + ", ".join(f"{number}_*.jpg for {name}" for number, name in enumerate(CLASSES))
    try:
        found = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and _label(path) is not None
        )
    except OSError as error:
        raise ValueError(
            f"The folder {folder} cannot be read ({error.strerror}): give one that holds {wanted}."
        ) from None
    if not found:
        raise ValueError(f"There are no photos in the folder {folder} that can be used: give one that holds {wanted}.")
    return Photos(tuple(found), tuple(_label(path) for path in found))


def _label(path):
    number = path.name.split("_")[0]
    return int(number) if number.isascii() and number.isdigit() and int(number) < len(CLASSES) else None
