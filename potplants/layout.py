"""The Pot Plant Dataset's layout on disk: `DIR/<split>/<class number>_<anything>.jpg`, for rendered and real photos."""

from dataclasses import dataclass
from pathlib import Path

from potplants.catalogue import CLASSES

SUFFIXES = (".jpg", ".jpeg")
EXPECTED = "photos named " + ", ".join(f"{number}_*.jpg for {name}" for number, name in enumerate(CLASSES))


@dataclass(frozen=True)
class Photos:
    files: tuple[Path, ...]  # M photos, sorted by name
    labels: tuple[int, ...]  # M classes, from the file names


def photos(folder) -> Photos:
    """The labelled photos directly in `folder`. Raises ValueError, naming the expected layout, if there are none."""
    folder = Path(folder)
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise ValueError(
            f"The folder {folder} cannot be read ({error.strerror}): give one that holds {EXPECTED}."
        ) from None
    labelled = [(path, label) for path in files if (label := _label(path)) is not None]
    if not labelled:
        raise ValueError(
            f"There are no photos in the folder {folder} that can be used: give one that holds {EXPECTED}."
        )
    return Photos(tuple(path for path, _ in labelled), tuple(label for _, label in labelled))


def _label(path: Path) -> int | None:
    number = path.name.split("_")[0]
    return int(number) if number.isascii() and number.isdigit() and int(number) < len(CLASSES) else None
