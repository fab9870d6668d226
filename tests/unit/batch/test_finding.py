"""From names to numbered photos: folders, links, globs, lists; each file once, in an order that stays."""

import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch import Refused
from batch.finding import find
from batch.sources import Broken


def names(inputs, folder):
    """The photos' labels below a folder."""
    return [taken.label.removeprefix(f"{folder}/") for source in inputs.sources for taken in source.photos()]


def test_a_folder_is_walked_in_order_without_what_is_no_photo(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a.webp", "c.txt", ".hidden.jpg", ".git/x.jpg", "out/overlays/1.jpg", "d.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    (tmp_path / "dir.jpg").mkdir()
    (tmp_path / "dir.jpg/inner.jpg").touch()
    found = find([tmp_path], tmp_path / "out")
    assert names(found, tmp_path) == ["a.webp", "b/1.png", "b/2.JPG", "d.heic", "dir.jpg/inner.jpg"]
    assert found.count == 5


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "else/x.jpg").touch()
    (tmp_path / "photos/up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/self").symlink_to("self")
    (tmp_path / "photos/linked").symlink_to(tmp_path / "else")
    (tmp_path / "photos/gone.jpg").symlink_to("nowhere")
    assert names(find([tmp_path / "photos"], tmp_path / "out"), tmp_path / "photos") == ["gone.jpg", "linked/x.jpg"]


def test_names_of_any_bytes_are_found(tmp_path):
    strange = [b"caf\xe9.jpg", b"new\nline.jpg", "\u2603 ::.jpg".encode()]
    for name in strange:
        (tmp_path / os.fsdecode(name)).touch()
    assert names(find([tmp_path], tmp_path / "out"), tmp_path) == ["caf\\xe9.jpg", "new\nline.jpg", "\u2603 ::.jpg"]


def test_a_file_that_is_named_twice_counts_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    (tmp_path / "list.txt").write_text("a.jpg\n\n./a.jpg\nmissing.jpg\n")
    found = find(["a.jpg", tmp_path, str(tmp_path / "*.jpg"), "list.txt"], tmp_path / "out")
    assert names(found, tmp_path) == ["a.jpg", "missing.jpg"]


def test_a_list_may_have_zero_bytes_between_names_with_newlines(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"/x/new\nline.jpg\0/x/b.jpg\0")
    assert names(find([tmp_path / "list.txt"], tmp_path / "out"), "/x") == ["new\nline.jpg", "b.jpg"]


def test_any_range_spans_files_archives_and_tables(tmp_path, archive):
    tar = archive(("1.jpg", b""), ("2.jpg", b""), name="b.tar")
    pq.write_table(pa.table({"image": [b"x"] * 3}), tmp_path / "c.parquet")
    for name in ("a.jpg", "d.jpg"):
        (tmp_path / name).touch()
    found = find([tmp_path], tmp_path / "out")
    whole = names(found, tmp_path)
    assert whole == ["a.jpg", "b.tar::1.jpg", "b.tar::2.jpg", *(f"c.parquet::{row}" for row in range(3)), "d.jpg"]
    assert tar.exists()
    for start in range(8):
        for stop in range(start, 8):
            part = [taken.label for source in found.part(start, stop) for taken in source.photos()]
            assert [label.removeprefix(f"{tmp_path}/") for label in part] == whole[start:stop]


def test_the_digest_notices_any_change(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    digests = {find([tmp_path], "/out").digest for _ in range(2)}
    assert len(digests) == 1
    photo.write_bytes(b"four")
    digests.add(find([tmp_path], "/out").digest)
    os.utime(photo, ns=(1, 1))
    digests.add(find([tmp_path], "/out").digest)
    (tmp_path / "b.jpg").touch()
    digests.add(find([tmp_path], "/out").digest)
    (tmp_path / "b.jpg").rename(tmp_path / "c.jpg")
    digests |= {find([tmp_path], "/out").digest, find([tmp_path], "/out", "column").digest}
    assert len(digests) == 6


@pytest.mark.parametrize(
    ("name", "words"),
    [("empty", "no photo"), ("nowhere", "not there"), ("*.tif", "Nothing matches"), ("x.tar.gz", "compressed")],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.tar.gz").touch()
    with pytest.raises(Refused, match=words) as caught:
        find([tmp_path / name], tmp_path / "out")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_table_without_images_is_refused_and_a_broken_one_is_a_photo_with_an_error(tmp_path):
    pq.write_table(pa.table({"label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(Refused, match="no column 'image' but label"):
        find([tmp_path], tmp_path / "out")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    assert isinstance(find([tmp_path], tmp_path / "out").sources[0], Broken)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(Refused, match="cannot be read"):
        find([tmp_path], tmp_path / "out")


def test_a_folder_that_cannot_be_listed_is_refused_in_a_sentence(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Refused, match=r"cannot be read \(Permission denied\)"):
        find([tmp_path], tmp_path / "out")
