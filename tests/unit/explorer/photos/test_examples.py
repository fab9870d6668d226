"""The embedded photos are complete, labelled, have masks that fit, and are identified by their bytes."""

import csv
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image

from explorer.photos import examples
from potplants import CLASSES

with (examples.EMBEDDED / "index.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))


def test_index_lists_exactly_the_photos_on_disk():
    on_disk = {str(path.relative_to(examples.EMBEDDED)) for path in examples.EMBEDDED.glob("*/*.jpg")}
    assert {row["file"] for row in ROWS} == on_disk
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
    assert Counter(example.really for example in shown.shown).keys() == set(CLASSES)
    assert min(Counter(example.really for example in shown.shown).values()) >= 2
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


def test_folder_without_photos_is_refused_with_the_expected_layout(tmp_path):
    with pytest.raises(ValueError, match="0_.*rudo"):
        examples.from_folder(tmp_path)
