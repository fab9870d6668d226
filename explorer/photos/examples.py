"""The labelled photos the app knows: a few of every class to click, so that the story finds the visitor, and whole splits to audit."""

import csv
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from potplants import CLASSES
from potplants.layout import photos

from .decode import read_photo
from .formats import PhotoError

EMBEDDED = Path(__file__).parents[2] / "examples"
SPLITS = ("val", "test")
NAMED = 12  # files that cannot be read, of which the log and the page tell the names
PER_CLASS = 3  # photos of each class in a folder of the visitor's own


@dataclass(frozen=True)
class Example:
    key: str  # its name in a link: "test/0_000"
    split: str
    file: Path
    really: str  # the class
    caption: str
    pot_colour: str | None = None  # None: nobody wrote it down

    @property
    def mask(self) -> Path | None:
        """The exact mask beside the photo, where there is one: see `regions.read_mask`."""
        beside = self.file.with_suffix(".png")
        return beside if beside.is_file() else None


@dataclass(frozen=True)
class Examples:
    every: dict[str, Example]  # by key, sorted
    shown: tuple[Example, ...]  # those to click
    story: Example  # what the page opens with
    rendered: bool  # True: made in Blender; False: photos of the visitor's own folder
    origin: str  # for people

    @property
    def splits(self) -> dict[str, tuple[Example, ...]]:
        """Name → its photos, in the order of SPLITS."""
        held = {name: tuple(example for example in self.every.values() if example.split == name) for name in SPLITS}
        return {name: found for name, found in held.items() if found}

    def known(self, file) -> Example | None:
        """The example that an uploaded file is, byte for byte, if it is one."""
        with suppress(OSError):  # swept away since
            return None if file is None else self._by_digest.get(digest(file))
        return None

    def truth(self, file) -> str | None:
        """What an uploaded file really shows, if it is one of these photos."""
        example = self.known(file)
        return example and example.really

    def mask_of(self, file) -> Path | None:
        """The file of the exact mask of an uploaded file, if it is one of these photos and has one."""
        example = self.known(file)
        return example and example.mask

    @cached_property
    def _by_digest(self):
        known = {}
        for example in self.every.values():
            with suppress(OSError):  # gone meanwhile, or not ours to read
                known[digest(example.file)] = example
        return known


# The first photos of each split, so that nobody can have picked them for their heatmaps; Rudo's two come first.
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
    try:
        with open(EMBEDDED / "index.csv", newline="", encoding="utf-8") as table:
            found = [_rendered(row) for row in csv.DictReader(table)]
        every = {example.key: example for example in sorted(found, key=lambda example: example.key)}
        wanted = [every[key] for key in SHOWN]
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # csv has no error of its own for a row of anything
        raise ValueError(
            f"The table {EMBEDDED / 'index.csv'} is missing or damaged: put a good copy in its place."
        ) from None
    shown, origin = _readable(wanted, "rendered in Blender for this app")
    return Examples(
        every, shown, story=every[STORY] if every[STORY] in shown else shown[0], rendered=True, origin=origin
    )


def from_folder(folder) -> Examples:
    """The photos of a folder in the article's layout, `DIR/test/0_*.jpg`, and of `DIR/val` if there is one.

    What is no plain file, or has a name that is not UTF-8, is left out and named. Raises ValueError when `DIR/test` holds none.
    """
    splits = [name for name in SPLITS if name == "test" or (Path(folder) / name).is_dir()]
    found = [(name, *photo) for name in splits for photo in _labelled(Path(folder) / name)]
    good = [_found(name, file, CLASSES[label]) for name, file, label in found if _can_be_served(file)]
    every = {example.key: example for example in good}
    test = [example for example in every.values() if example.split == "test"]
    wanted = [example for wanted in CLASSES for example in [e for e in test if e.really == wanted][:PER_CLASS]]
    bad = [file for _, file, _ in found if not _can_be_served(file)]
    shown, origin = _readable(wanted, f"from the folder {printable(Path(folder).name)}", bad)
    return Examples(every, shown, shown[0], rendered=False, origin=origin)


def digest(file) -> str:
    from potplants.weights import sha256  # imports torch: examples are read before it, to fail early

    return sha256(file)


def printable(name: str) -> str:
    """A file's name for people: what cannot be seen, or is not UTF-8, is written as in Python's source."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def _labelled(folder):
    found = photos(folder)
    return zip(found.files, found.labels)


def _can_be_served(file):
    """Whether it is a plain file whose name can stand in a page; anything else may be a folder, or a pipe that never ends."""
    try:
        file.name.encode()
        return file.is_file()
    except (OSError, UnicodeEncodeError):
        return False


def _readable(wanted, origin, bad=()):
    """Those that can be shown, and where they are from, with a word on the others and the bad files. Raises ValueError where there are none; the
    audit tells of each."""
    shown, damaged = [], [printable(file.name) for file in bad]
    for example in wanted:
        try:
            read_photo(example.file)
            shown.append(example)
        except (PhotoError, OSError):
            damaged.append(printable(example.file.name))
    if not shown:
        raise ValueError(
            f"None of the {len(damaged)} example photos can be read, {damaged[0]} among them: put good copies in their place."
        )
    if not damaged:
        return tuple(shown), origin
    more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
    return tuple(shown), f"{origin} ({', '.join(damaged[:NAMED])}{more} cannot be read)"


def _rendered(row):
    key = row["file"].removesuffix(".jpg")
    caption = SHOWN.get(key, f"{row['class'].capitalize()}, {row['pot_colour']} pot")
    return Example(key, row["split"], EMBEDDED / row["file"], row["class"], caption, row["pot_colour"])


def _found(split, file, really):
    return Example(f"{split}/{file.stem}", split, file, really, f"{really.capitalize()}, {printable(file.name)}")
