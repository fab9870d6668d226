"""A folder of class folders: what is taken of it, what is left out, and the class that each folder means."""

import os
import shutil
from pathlib import Path

import pytest

from explorer.photos import class_folders as folders
from explorer.photos import examples

PHOTO = examples.EMBEDDED / "real" / "cat.jpg"
CLASSES = ("Egyptian cat", "lynx")


def lay(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PHOTO, file)


def test_photos_of_every_suffix_and_nothing_else(tmp_path):
    lay(tmp_path, "lynx/b.JPG", "lynx/a.jpeg", "lynx/c.png", "lynx/d.webp", "Egyptian_cat/a.jpg")
    lay(tmp_path, "lynx/notes.txt", "lynx/.hidden.jpg", ".cache/e.jpg", "top.jpg", "lynx/more/deep.jpg", "lynx/f.gif")
    (tmp_path / "empty").mkdir()
    loaded = examples.from_folder(tmp_path)
    assert list(loaded.every) == [f"photos/{name}" for name in (
        "Egyptian_cat/a.jpg", "lynx/a.jpeg", "lynx/b.JPG", "lynx/c.png", "lynx/d.webp")]  # fmt: skip
    assert [example.really for example in loaded.shown] == ["Egyptian_cat", "lynx", "lynx", "lynx"]
    assert loaded.origin == f"from the folder {tmp_path.name}, 1 folder inside its classes left out"
    assert not loaded.rendered and not any(example.mask for example in loaded.every.values())


def test_what_a_classifier_can_be_audited_on(tmp_path):
    lay(tmp_path, "Egyptian_cat/a.jpg", "lynx/b.jpg")
    loaded = examples.from_folder(tmp_path)
    (name, photos), *others = loaded.splits_for(CLASSES).items()
    assert (name, [photo.really for photo in photos], others) == ("photos", ["Egyptian cat", "lynx"], [])
    assert loaded.splits == {} and loaded.splits_for(("lynx",)) == {}
    assert loaded.truth(PHOTO, CLASSES) == "Egyptian cat"


def test_folders_of_pot_plants_are_theirs(tmp_path):
    lay(tmp_path, "rudo/a.jpg", "Yuki/b.jpg")
    assert [photo.really for photo in examples.from_folder(tmp_path).splits["photos"]] == ["yuki", "rudo"]


def test_at_most_so_many_are_listed_and_of_every_class(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 7)
    lay(tmp_path, *(f"a/{number}.jpg" for number in range(9)), "b/0.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg")
    found = folders.class_folders(tmp_path)
    assert [(name, file.name) for name, file in found.photos] == [
        *(("a", f"{number}.jpg") for number in range(3)),
        *(("b", f"{number}.jpg") for number in range(3)),
    ]
    assert found.omitted == 7
    assert "7 photos beyond the first of each class left out" in examples.from_folder(tmp_path).origin


def test_fewer_than_that_are_all_listed_however_they_are_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 10)
    lay(tmp_path, *(f"a/{number}.jpg" for number in range(9)), "b/0.jpg")
    assert len(folders.class_folders(tmp_path).photos) == 10


def test_the_first_few_of_each_class_are_shown():
    photos = [(name, number) for name in "abcd" for number in range(5)]
    assert folders.first_of_each(photos, 3, 30) == [(name, number) for name in "abcd" for number in range(3)]
    assert folders.first_of_each(photos, 3, 8) == [(name, number) for name in "abcd" for number in range(2)]
    assert folders.first_of_each(photos, 3, 2) == [("a", 0), ("b", 0)]
    assert folders.first_of_each([], 3, 30) == []


@pytest.mark.skipif(os.name != "posix", reason="such names and files exist on POSIX only")
def test_hostile_names_are_left_out_or_escaped(tmp_path):
    lay(tmp_path, "lynx/a.jpg", "<img src=x>/two\nlines.jpg")
    os.mkfifo(tmp_path / "lynx" / "pipe.jpg")
    (tmp_path / "lynx" / "b.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "lynx" / "c.jpg").mkdir()
    undecodable = os.fsencode(tmp_path) + b"/\xff\xfe"
    Path(os.fsdecode(undecodable)).mkdir()
    shutil.copy(PHOTO, undecodable + b"/d.jpg")
    (tmp_path / "lynx" / "up").symlink_to(tmp_path)
    loaded = examples.from_folder(tmp_path)
    assert [example.key for example in loaded.every.values()] == [
        "photos/<img src=x>/two\nlines.jpg",
        "photos/lynx/a.jpg",
    ]
    assert all(example.caption.isprintable() and example.really.isprintable() for example in loaded.shown)
    assert loaded.origin.isprintable() and "1 folder inside its classes left out" in loaded.origin
    for name in ("pipe.jpg", "b.jpg", "c.jpg", "d.jpg"):
        assert name in loaded.origin.partition("(")[2]


def test_only_photos_of_an_uploads_size_are_read(tmp_path, monkeypatch):
    """Twenty thousand need not be read before the first answer."""
    lay(tmp_path, "lynx/a.jpg", "lynx/b.jpg")
    (tmp_path / "lynx" / "b.jpg").write_bytes(PHOTO.read_bytes() + b"more")
    loaded, read = examples.from_folder(tmp_path), []
    digest = examples.digest
    monkeypatch.setattr(examples, "digest", lambda file: read.append(file) or digest(file))
    assert loaded.known(PHOTO).key == "photos/lynx/a.jpg"
    assert loaded.known(PHOTO).key == "photos/lynx/a.jpg"
    assert read == [PHOTO, tmp_path / "lynx" / "a.jpg", PHOTO]
