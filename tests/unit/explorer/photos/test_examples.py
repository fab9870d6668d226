"""The embedded photos are complete, labelled, have masks that fit, and are identified by their bytes."""

import csv
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import cv2
import numpy as np
import pytest
from PIL import Image

from explorer.controls import examples_strip
from explorer.photos import examples
from maker import splits
from potplants import CLASSES

with (examples.EMBEDDED / "index.csv").open(newline="") as table:
    ALL_ROWS = list(csv.DictReader(table))
ROWS = [row for row in ALL_ROWS if row["split"] != "real"]  # the rendered ones
REAL = [row for row in ALL_ROWS if row["split"] == "real"]


def test_index_lists_exactly_the_photos_on_disk():
    on_disk = {str(path.relative_to(examples.EMBEDDED)) for path in examples.EMBEDDED.glob("*/*.jpg")}
    assert {row["file"] for row in ALL_ROWS} == on_disk and len(ALL_ROWS) == len(on_disk)
    assert Counter((row["split"], row["class"]) for row in ROWS) == {
        (split, name): 30 for split in ("val", "test") for name in CLASSES
    }
    assert len({row["seed"] for row in ROWS}) == len(ROWS)


def test_index_agrees_with_the_file_names():
    for row in ROWS:
        split, name = row["file"].split("/")
        assert (row["split"], row["class"]) == (split, CLASSES[int(name[0])])


def test_only_rudo_changes_pots_and_only_in_the_test_split():
    pots = {(row["class"], row["split"]): row["pot_colour"] for row in ROWS}
    assert len({(row["class"], row["split"], row["pot_colour"]) for row in ROWS}) == 8
    assert (
        pots["rudo", "val"] == "red" and pots["rudo", "test"] == pots["baya", "test"] == pots["baya", "val"] == "blue"
    )
    assert all(pots[name, "val"] == pots[name, "test"] for name in ("baya", "greg", "yuki"))


@pytest.mark.parametrize("split", ["val", "test"])
def test_masks_fit_their_photos(split):
    """Each part is there, and the pot's pixels have the pot's colour: mask and photo are aligned."""
    for row in (row for row in ROWS if row["split"] == split):
        photo = cv2.imread(str(examples.EMBEDDED / row["file"]))[..., ::-1]
        mask = read_parts(row)
        assert photo.shape == (256, 256, 3) and mask.shape == (256, 256)
        assert set(np.unique(mask)) <= {0, 1, 2, 3} and (mask == 1).mean() > 0.02 and (mask == 2).mean() > 0.005, row
        red, _, blue = photo[mask == 1].astype(float).mean(0)
        if row["pot_colour"] in ("red", "terracotta"):
            assert red > blue + 15, row
        if row["pot_colour"] == "blue":
            assert blue > red + 15, row


def read_parts(row):
    """The mask's indices, [256, 256]: 0 background, 1 pot, 2 plant, 3 soil."""
    return np.array(Image.open((examples.EMBEDDED / row["file"]).with_suffix(".png")))


def test_shown_examples_cover_every_class():
    shown = examples.embedded()
    story = Counter(example.really for example in shown.shown[:10])
    assert story.keys() == set(CLASSES) and min(story.values()) >= 2
    assert [example.key for example in shown.shown[10:]] == [row["file"].removesuffix(".jpg") for row in REAL]
    captions = [example.caption for example in shown.shown[:2]]
    assert "red" in captions[0] and "blue" in captions[1]
    assert shown.story.really == "rudo" and shown.rendered


def test_photo_is_identified_by_its_bytes(tmp_path):
    shown = examples.embedded()
    copy = tmp_path / "renamed.jpg"
    copy.write_bytes(shown.story.file.read_bytes())
    assert shown.truth(copy) == "rudo"
    copy.write_bytes(copy.read_bytes() + b"!")
    assert shown.truth(copy) is None


def test_folder_of_photos_is_read(tmp_path):
    (tmp_path / "test").mkdir()
    for name in ("0_a.jpg", "3_b.jpg", "9_c.jpg", "notes.txt"):
        (tmp_path / "test" / name).write_bytes((examples.embedded().story.file).read_bytes() + name.encode())
    photos = examples.from_folder(tmp_path)
    classes = {example.file.name: example.really for example in photos.shown}
    assert list(classes.items()) == [("0_a.jpg", "rudo"), ("3_b.jpg", "yuki")]
    assert not photos.rendered and str(tmp_path) not in photos.origin


def test_real_photos_are_small_and_credited():
    """Each has a photographer and a free licence, also on the page; no metadata is left in the files."""
    shown = {example.file.name: example for example in examples.embedded().shown}
    for row in REAL:
        file = examples.EMBEDDED / row["file"]
        with Image.open(file) as photo:
            assert photo.format == "JPEG" and max(photo.size) <= 640 and not photo.getexif() and "icc" not in photo.info
        assert file.stat().st_size <= 80_000
        assert row["licence"] in ("CC0", "public domain", "CC BY 2.0") and row["source"] and row["asks"] == "imagenet"
        example = shown[file.name]
        assert example.asks == "imagenet" and example.really == row["class"] and example.mask is None
        assert example.credit == f"by {row['author']}, {row['licence']}"
        assert f"{example.caption} {example.credit}" in examples_strip(examples.embedded())
    assert {row["licence"] for row in ROWS} == {"MIT"} and not any(row["asks"] for row in ROWS)
    assert not any(example.credit or example.asks for example in shown.values() if example.split != "real")


ORIGINALS = {"coffee": "coffee.png", "camera": "camera.png", "cat": "chelsea.png", "rocket": "rocket.jpg"}


@pytest.mark.parametrize("name", ORIGINALS)
def test_real_photos_are_the_packages_own(name):
    """Only encoded anew: within a few grey levels of scikit-image's, on average."""
    data = pytest.importorskip("skimage.data", reason="scikit-image, which has the originals, is not installed")
    original = np.array(Image.open(Path(data.__file__).parent / ORIGINALS[name]).convert("RGB")).astype(int)
    ours = np.array(Image.open(examples.EMBEDDED / "real" / f"{name}.jpg")).astype(int)
    assert ours.shape == original.shape and np.abs(ours - original).mean() < 4


def test_audits_of_pot_plants_leave_the_real_photos_out():
    embedded = examples.embedded()
    assert {name: len(photos) for name, photos in embedded.splits.items()} == {"val": 120, "test": 120}
    assert embedded.splits_for(CLASSES) == embedded.splits
    words = ("espresso", "tripod", "Tabby", "missile", "daisy", "palace", "pot")
    assert {name: [photo.really for photo in photos] for name, photos in embedded.splits_for(words).items()} == {
        "real": ["tripod", "Tabby", "palace", "espresso", "daisy", "missile"]
    }
    assert embedded.splits_for(words[1:]) == {}  # a split of which one class is unknown is no split for it


def test_the_origin_is_told_of_what_is_meant(tmp_path):
    embedded = examples.embedded()
    assert embedded.origin == embedded.origin_of("val") == "rendered in Blender for this app"
    assert embedded.shown_origin == f"{embedded.origin}; the last 6 are real, each by the photographer named"
    assert "free licences" in embedded.origin_of("real")
    (tmp_path / "cats").mkdir()
    shutil.copy(examples.EMBEDDED / "real/cat.jpg", tmp_path / "cats")
    own = examples.from_folder(tmp_path)
    assert own.shown_origin == own.origin_of("photos") == own.origin == f"from the folder {tmp_path.name}"


def test_the_truth_is_told_in_a_classifiers_words():
    embedded = examples.embedded()
    cat = embedded.every["real/cat"].file
    assert embedded.truth(cat) == "tabby" and embedded.truth(cat, ("lynx", "Tabby")) == "Tabby"
    assert embedded.truth(cat, CLASSES) is None and embedded.truth(None, CLASSES) is None


def test_folder_without_photos_is_refused_with_both_layouts(tmp_path):
    (tmp_path / "flowers").mkdir()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="test of photos named 0_.*jpg for rudo.*or with a folder .* each class"):
            examples.from_folder(folder)


def test_the_articles_layout_without_a_label_is_refused(tmp_path):
    (tmp_path / "test").mkdir()
    shutil.copy(examples.EMBEDDED / "test/0_000.jpg", tmp_path / "test" / "rudo.jpg")
    with pytest.raises(ValueError, match="no photos in the folder .* that can be used"):
        examples.from_folder(tmp_path)


def test_the_maker_writes_the_index_as_it_is(tmp_path):
    """Rendering more photos keeps the real ones' lines."""
    shutil.copytree(examples.EMBEDDED, tmp_path / "examples")
    splits.write_index(tmp_path, "examples")
    assert (tmp_path / "examples" / "index.csv").read_bytes() == (examples.EMBEDDED / "index.csv").read_bytes()


def test_an_example_is_known_to_all_who_ask_at_the_same_time(monkeypatch):
    """Each waits within the digest until all have begun."""
    fresh, together = examples.embedded(), Barrier(3)
    file, digest = fresh.story.file, examples.digest

    def slow(path):
        with suppress(BrokenBarrierError):  # whoever comes later finds it broken
            together.wait(2)
        return digest(path)

    monkeypatch.setattr(examples, "digest", slow)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(fresh.known, [file] * 3))
    assert [answer and answer.key for answer in answers] == [fresh.story.key] * 3
