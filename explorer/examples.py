"""The photos a visitor can click: a few of every class, labelled so that the story finds the visitor."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from potplants import CLASSES
from potplants.dataset import photos

EMBEDDED = Path(__file__).parent.parent / "examples"
PER_CLASS = 3  # photos of each class in a folder of the visitor's own


@dataclass(frozen=True)
class Example:
    file: Path
    really: str  # the class
    caption: str


@dataclass(frozen=True)
class Examples:
    shown: tuple[Example, ...]
    story: Example  # what the page opens with
    rendered: bool  # True: made in Blender; False: photos of the visitor's own folder
    origin: str  # for people
    truths: dict[str, str]  # digest of a file's bytes → its class, for every photo of the set

    def truth(self, file) -> str | None:
        """What an uploaded file really shows, if it is one of this set's photos byte for byte."""
        return self.truths.get(digest(file))


# The first photos of each split, so that nobody can have picked them for their heatmaps; Rudo's two come first.
SHOWN = (
    ("val/0_000.jpg", "Rudo, old red pot"),
    ("test/0_000.jpg", "Rudo, new blue pot"),
    ("test/1_000.jpg", "Baya, blue pot"),
    ("test/2_000.jpg", "Greg, terracotta pot"),
    ("test/3_000.jpg", "Yuki, cream pot"),
    ("val/0_001.jpg", "Rudo, old red pot"),
    ("test/0_001.jpg", "Rudo, new blue pot"),
    ("val/1_000.jpg", "Baya, blue pot"),
    ("val/2_000.jpg", "Greg, terracotta pot"),
    ("val/3_000.jpg", "Yuki, cream pot"),
)
STORY = "test/0_000.jpg"


def embedded() -> Examples:
    """The rendered photos that come with the app."""
    with open(EMBEDDED / "index.csv", newline="") as table:
        classes = {row["file"]: row["class"] for row in csv.DictReader(table)}
    shown = tuple(Example(EMBEDDED / file, classes[file], caption) for file, caption in SHOWN)
    return Examples(
        shown=shown,
        story=next(example for example in shown if example.file == EMBEDDED / STORY),
        rendered=True,
        origin="rendered in Blender for this app",
        truths={digest(EMBEDDED / file): name for file, name in classes.items()},
    )


def from_folder(folder) -> Examples:
    """The photos of a folder in the article's layout, `DIR/test/0_*.jpg`. Raises ValueError when there are none."""
    found = photos(Path(folder) / "test")
    labelled = [(file, CLASSES[label]) for file, label in zip(found.files, found.labels)]
    shown = tuple(
        Example(file, name, f"{name.capitalize()}, {file.name}")
        for wanted in CLASSES
        for file, name in [pair for pair in labelled if pair[1] == wanted][:PER_CLASS]
    )
    return Examples(
        shown=shown,
        story=shown[0],
        rendered=False,
        origin=f"from the folder {Path(folder).name}",
        truths={digest(file): name for file, name in labelled},
    )


def digest(file) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
