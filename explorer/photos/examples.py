"""The labelled example photos: a few of every class to click on the page, and whole splits to audit."""

import csv
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError
from potplants import CLASSES
from potplants.layout import photos

EMBEDDED = Path(__file__).parents[2] / "examples"
SPLITS = ("val", "test")
MAX_NAMED = 12  # unreadable files that the log and the page list by name
PER_CLASS = 3  # photos of each class in a folder of the visitor's own


@dataclass(frozen=True)
class Example:
    key: str  # in links: "test/0_000"
    split: str
    file: Path
    really: str  # the class
    caption: str
    pot_colour: str | None = None  # None: unknown

    @property
    def mask(self) -> Path | None:
        """The segmentation mask beside the photo, where there is one: see `masks.read_mask`."""
        mask = self.file.with_suffix(".png")
        return mask if mask.is_file() else None


@dataclass(frozen=True)
class Examples:
    every: dict[str, Example]  # by key, sorted
    shown: tuple[Example, ...]  # on the page, to click
    story: Example  # what the page opens with
    rendered: bool  # True: made in Blender; False: photos from the user's own folder
    origin: str  # for display

    @property
    def splits(self) -> dict[str, tuple[Example, ...]]:
        """Name → its photos, in the order of SPLITS."""
        splits = {name: tuple(example for example in self.every.values() if example.split == name) for name in SPLITS}
        return {name: photos for name, photos in splits.items() if photos}

    def known(self, file) -> Example | None:
        """The example that an uploaded file equals, byte for byte, if any."""
        with suppress(OSError):  # the upload has been cleaned up
            return None if file is None else self._by_digest.get(digest(file))
        return None

    def truth(self, file) -> str | None:
        """The true class of an uploaded file, if it is one of these photos."""
        example = self.known(file)
        return example and example.really

    def mask_of(self, file) -> Path | None:
        """The mask file of an uploaded file, if it is one of these photos and has one."""
        example = self.known(file)
        return example and example.mask

    @cached_property
    def _by_digest(self):
        by_digest = {}
        for example in self.every.values():
            with suppress(OSError):  # deleted meanwhile, or no permission
                by_digest[digest(example.file)] = example
        return by_digest


# The first photos of each split, so that they cannot have been picked for their heatmaps; Rudo's two come first.
SHOWN = {
    "val/0_000": "Rudo, old red pot",
    "test/0_000": "Rudo, new blue pot",
    "test/1_000": "Baya, blue pot",
    "test/2_000": "Greg, terracotta pot",
    "test/3_000": "Yuki, cream pot",
    "val/0_001": "Rudo, old red pot",
    "test/0_001": "Rudo, new blue pot",
    "val/1_000": "Baya, blue pot",
    "val/2_000": "Greg, terracotta pot",
    "val/3_000": "Yuki, cream pot",
}
STORY = "test/0_000"


def embedded() -> Examples:
    """The rendered photos that come with the app. Raises ValueError where they are damaged beyond use."""
    index = EMBEDDED / "index.csv"
    try:
        with index.open(newline="", encoding="utf-8") as table:
            rows = [_rendered(row) for row in csv.DictReader(table)]
        every = {example.key: example for example in sorted(rows, key=lambda example: example.key)}
        selected = [every[key] for key in SHOWN]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # csv accepts rows of anything
        raise ValueError(f"The table {index} is missing or damaged: put a good copy in its place.") from None
    shown, origin = _readable(selected, "rendered in Blender for this app")
    story = every[STORY] if every[STORY] in shown else shown[0]
    return Examples(every, shown, story, rendered=True, origin=origin)


def from_folder(folder) -> Examples:
    """The photos of a folder in the article's layout, `DIR/test/0_*.jpg`, and of `DIR/val` if there is one.

    Anything but a plain file with a UTF-8 name is left out and listed. Raises ValueError when `DIR/test` has no photo.
    """
    splits = [name for name in SPLITS if name == "test" or (Path(folder) / name).is_dir()]
    files = [(name, *photo) for name in splits for photo in _labelled(Path(folder) / name)]
    usable = [_from_file(name, file, CLASSES[label]) for name, file, label in files if _can_be_served(file)]
    every = {example.key: example for example in usable}
    test = [example for example in every.values() if example.split == "test"]
    selected = [example for name in CLASSES for example in [e for e in test if e.really == name][:PER_CLASS]]
    unusable = [file for _, file, _ in files if not _can_be_served(file)]
    shown, origin = _readable(selected, f"from the folder {printable(Path(folder).name)}", unusable)
    return Examples(every, shown, shown[0], rendered=False, origin=origin)


def digest(file) -> str:
    from potplants.weights import sha256  # imports torch: examples are read before it, to fail early

    return sha256(file)


def printable(name: str) -> str:
    """A file name for display: characters that are invisible or not UTF-8 are escaped as in Python source."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in name)


def _labelled(folder):
    dataset = photos(folder)
    return zip(dataset.files, dataset.labels)


def _can_be_served(file):
    """Whether it is a plain file with a UTF-8 name; anything else may be a folder, or a pipe that never ends."""
    try:
        file.name.encode()
        return file.is_file()
    except (OSError, UnicodeEncodeError):
        return False


def _readable(selected, origin, unusable=()):
    """The selected examples that can be decoded, and the origin, with the names of the others and of unusable files.

    Raises ValueError where none can be; the audit lists each.
    """
    shown, damaged = [], [printable(file.name) for file in unusable]
    for example in selected:
        try:
            read_photo(example.file)
            shown.append(example)
        except (PhotoError, OSError):
            damaged.append(printable(example.file.name))
    if not shown:
        raise ValueError(
            f"None of the {len(damaged)} example photos can be read, {damaged[0]} among them: "
            "put good copies in their place."
        )
    if not damaged:
        return tuple(shown), origin
    more = f" and {len(damaged) - MAX_NAMED} more" if len(damaged) > MAX_NAMED else ""
    return tuple(shown), f"{origin} ({', '.join(damaged[:MAX_NAMED])}{more} cannot be read)"


def _rendered(row):
    key = row["file"].removesuffix(".jpg")
    caption = SHOWN.get(key, f"{row['class'].capitalize()}, {row['pot_colour']} pot")
    return Example(key, row["split"], EMBEDDED / row["file"], row["class"], caption, row["pot_colour"])


def _from_file(split, file, really):
    return Example(f"{split}/{file.stem}", split, file, really, f"{really.capitalize()}, {printable(file.name)}")
