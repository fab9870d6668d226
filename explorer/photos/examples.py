"""The labelled example photos: a few of every class to click on the page, and whole splits to audit."""

import csv
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from classifiers.class_names import class_of_folder
from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError
from potplants import CLASSES
from potplants.layout import EXPECTED, Photos, photos

from .class_folders import class_folders, first_of_each

EMBEDDED = Path(__file__).parents[2] / "examples"
ARTICLE = ("val", "test")  # folders in the article's layout
REAL, OWN = "real", "photos"  # the real photos that come with the app; a folder of the visitor's own with class folders
SPLITS = (*ARTICLE, REAL, OWN)
REAL_ORIGIN = "real photos under free licences, credited in examples/index.csv"
MAX_NAMED = 12  # unreadable files that the log and the page list by name
PER_CLASS = 3  # photos of each class in a folder of the visitor's own
MOST_SHOWN = 30  # of them on the page
LAYOUTS = f"give one with a folder test of {EXPECTED}, or with a folder of photos for each class"


@dataclass(frozen=True)
class Example:
    key: str  # in links: "test/0_000"
    split: str
    file: Path
    really: str  # the class
    caption: str
    pot_colour: str | None = None  # None: unknown
    credit: str = ""  # whose photo it is and under which licence, for display
    asks: str | None = None  # the classifier that it is meant for; None: those of pot plants

    @property
    def mask(self) -> Path | None:
        """The segmentation mask beside the photo, where there is one: see `masks.read_mask`."""
        mask = self.file.with_suffix(".png")
        return mask if self.split in ARTICLE and mask.is_file() else None  # elsewhere a .png is a photo itself


@dataclass(frozen=True)
class Examples:
    every: dict[str, Example]  # by key, sorted
    shown: tuple[Example, ...]  # on the page, to click
    story: Example  # what the page opens with
    rendered: bool  # True: made in Blender; False: photos from the user's own folder
    origin: str  # for display; of the photos that come with the app, of the rendered ones

    @property
    def shown_origin(self) -> str:
        """The origin of those on the page, for display."""
        real = sum(example.split == REAL for example in self.shown)
        return self.origin + (f"; the last {real} are real, each by the photographer named" if real else "")

    def origin_of(self, split: str) -> str:
        """The origin of a split's photos, for display."""
        return REAL_ORIGIN if split == REAL else self.origin

    @property
    def splits(self) -> dict[str, tuple[Example, ...]]:
        """Those whose classes are the pot plants: name → its photos, in the order of SPLITS."""
        return self.splits_for(CLASSES)

    def splits_for(self, classes: Collection[str]) -> dict[str, tuple[Example, ...]]:
        """The splits that a classifier of these classes can be audited on: all their photos are of such a class.

        Name → its photos, in the order of SPLITS, `really` in the classifier's words.
        """
        known = {name: class_of_folder(name, classes) for name in {example.really for example in self.every.values()}}
        splits = {name: [example for example in self.every.values() if example.split == name] for name in SPLITS}
        return {
            name: tuple(_named(example, known[example.really]) for example in of_split)
            for name, of_split in splits.items()
            if of_split and all(known[example.really] for example in of_split)
        }

    def known(self, file) -> Example | None:
        """The example that an uploaded file equals, byte for byte, if any."""
        with suppress(OSError):  # the upload has been cleaned up
            alike = self._by_size.get(Path(file).stat().st_size, ()) if file is not None else ()
            wanted = digest(file) if alike else None
            return next((example for example in alike if self.digest_of(example) == wanted), None)
        return None

    def truth(self, file, classes: Collection[str] | None = None) -> str | None:
        """The true class of an uploaded file, if it is one of these photos; with `classes`, if it is one of them."""
        example = self.known(file)
        if example is None or classes is None:
            return example and example.really
        return class_of_folder(example.really, classes)

    def mask_of(self, file) -> Path | None:
        """The mask file of an uploaded file, if it is one of these photos and has one."""
        example = self.known(file)
        return example and example.mask

    @cached_property
    def _by_size(self):
        """Size in bytes → the examples of that size: only they can equal an upload, and only they need be read."""
        by_size = {}
        for example in self.every.values():
            with suppress(OSError):  # deleted meanwhile, or no permission
                by_size.setdefault(example.file.stat().st_size, []).append(example)
        return by_size

    @cached_property
    def _digests(self):
        return {}

    def digest_of(self, example: Example) -> str | None:
        """The SHA-256 of the example's file, computed once; None where it cannot be read."""
        if example.key not in self._digests:
            found = None
            with suppress(OSError):
                found = digest(example.file)
            self._digests[example.key] = found  # only once it is known: another thread may ask meanwhile
        return self._digests[example.key]


def _named(example, name):
    return example if example.really == name else replace(example, really=name)


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
    """The rendered photos that come with the app, then the real ones. Raises ValueError where they are beyond use."""
    index = EMBEDDED / "index.csv"
    try:
        with index.open(newline="", encoding="utf-8") as table:
            rows = [_embedded(row) for row in csv.DictReader(table)]
        every = {example.key: example for example in sorted(rows, key=lambda example: example.key)}
        real = [example for example in rows if example.split == REAL]
        selected = [every[key] for key in SHOWN] + real
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # csv accepts rows of anything
        raise ValueError(f"The table {index} is missing or damaged: put a good copy in its place.") from None
    shown, origin = _readable(selected, "rendered in Blender for this app")
    story = every[STORY] if every[STORY] in shown else shown[0]
    return Examples(every, shown, story, rendered=True, origin=origin)


def from_folder(folder, origin: str = "", credit: str = "") -> Examples:
    """The photos of a folder in one of two layouts.

    The article's: `DIR/test/0_*.jpg`, and `DIR/val` if there is one. Or a folder for each class: `DIR/<class>/*.jpg`,
    with .jpeg, .png and .webp. Anything but a plain file with a UTF-8 name is left out and listed. Raises ValueError,
    naming both layouts, where there is no photo. origin: for display, in place of the folder's name.
    """
    folder = Path(folder)
    origin = origin or f"from the folder {printable(folder.name)}"
    try:
        test = photos(folder / "test")
    except ValueError:  # none there
        return _from_class_folders(folder, origin)
    splits = {"test": test} | ({"val": photos(folder / "val")} if (folder / "val").is_dir() else {})
    return _from_article(splits, origin, credit)


def digest(file) -> str:
    from potplants.weights import sha256  # imports torch: examples are read before it, to fail early

    return sha256(file)


def printable(name: str) -> str:
    """A file name for display: characters that are invisible or not UTF-8 are escaped as in Python source."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in name)


def _from_article(splits: dict[str, Photos], origin, credit):
    files = [(name, *labelled) for name in ARTICLE if name in splits for labelled in _labelled(splits[name])]
    usable = [_from_file(name, file, CLASSES[label], credit) for name, file, label in files if _can_be_served(file)]
    every = {example.key: example for example in usable}
    test = [example for example in every.values() if example.split == "test"]
    selected = [example for name in CLASSES for example in [e for e in test if e.really == name][:PER_CLASS]]
    unusable = [file for _, file, _ in files if not _can_be_served(file)]
    shown, origin = _readable(selected, origin, unusable)
    return Examples(every, shown, shown[0], rendered=False, origin=origin)


def _from_class_folders(folder, origin):
    try:
        found = class_folders(folder)
    except OSError as error:
        raise ValueError(f"The folder {folder} cannot be read ({error.strerror}): {LAYOUTS}.") from None
    if {name for name, _ in found.photos} <= {"train", *ARTICLE}:  # the article's layout, but without the labels
        raise ValueError(f"There are no photos in the folder {folder} that can be used: {LAYOUTS}.")
    usable = [(name, file) for name, file in found.photos if _can_be_served(file)]
    every = {example.key: example for example in (_of_class(name, file) for name, file in usable)}
    selected = [every[_of_class(*photo).key] for photo in first_of_each(usable, PER_CLASS, MOST_SHOWN)]
    unusable = [file for _, file in found.photos if not _can_be_served(file)]
    shown, origin = _readable(selected, origin + _left_out(found), [*found.unreadable, *unusable])
    return Examples(every, shown, shown[0], rendered=False, origin=origin)


def _left_out(found):
    """What of a folder is not looked at, in words for the log."""
    nested = f"{found.nested} folder{'s' * (found.nested > 1)} inside its classes left out" if found.nested else ""
    photos = f"photo{'s' * (found.omitted > 1)}"
    beyond = f"{found.omitted} {photos} beyond the first of each class left out (scripts/batch audits all)"
    return "".join(f", {words}" for words in (nested, beyond if found.omitted else "") if words)


def _labelled(dataset):
    return zip(dataset.files, dataset.labels)


def _can_be_served(file):
    """Whether it is a plain file with a UTF-8 name; anything else may be a folder, or a pipe that never ends."""
    try:
        f"{file.parent.name}/{file.name}".encode()
        return file.is_file()
    except (OSError, UnicodeEncodeError):
        return False


def _readable(selected, origin, unusable: Sequence[Path] = ()):
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


def _embedded(row):
    key, split, name = row["file"].removesuffix(".jpg"), row["split"], row["class"]
    if split == REAL:
        credit = f"by {row['author']}, {row['licence']}"
        caption = f"{name[0].upper()}{name[1:]}"
        return Example(key, split, EMBEDDED / row["file"], name, caption, credit=credit, asks=row["asks"] or None)
    caption = SHOWN.get(key, f"{name.capitalize()}, {row['pot_colour']} pot")
    return Example(key, split, EMBEDDED / row["file"], name, caption, row["pot_colour"])


def _from_file(split, file, really, credit):
    caption = f"{really.capitalize()}, {printable(file.name)}"
    return Example(f"{split}/{file.stem}", split, file, really, caption, credit=credit)


def _of_class(name, file):
    really = printable(name)
    return Example(f"{OWN}/{name}/{file.name}", OWN, file, really, f"{really}, {printable(file.name)}")
