"""Photos from files, archives and Parquet, any range of them; what is broken is a photo with its error."""

import io
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live import ROOT

from batch.sources import Archive, Broken, Files, Table, members, printable, rows_of
from classifiers.photos.formats import MAX_BYTES, PhotoError


def contents(source):
    """Label → content, or the error's sentence."""
    found = {}
    for taken in source.photos():
        try:
            found[taken.label] = taken.read()
        except PhotoError as error:
            found[taken.label] = str(error)
    return found


def test_files_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "good.jpg").write_bytes(b"content")
    names = [str(tmp_path / f"{name}.jpg") for name in ("folder", "pipe", "loop", "missing", "good")]
    folder, pipe, loop, missing, good = contents(Files(tuple(names))).values()
    assert "folder" in folder and "device" in pipe and good == b"content"
    assert "could not be read" in loop or "not there" in loop
    assert missing == "It is not there."


def test_no_more_of_a_file_is_read_than_is_decoded(tmp_path):
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(10 * MAX_BYTES)
    (data,) = contents(Files((str(large),))).values()
    assert len(data) == MAX_BYTES + 1


def test_names_that_are_not_utf8_are_printed():
    assert printable(b"caf\xe9\n.jpg") == "caf\\xe9\n.jpg" and printable("\u2603.jpg") == "\u2603.jpg"


def test_an_archive_gives_any_range_of_its_photos_and_nothing_else(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as file:
        for name in ("/etc/a.jpg", "../b.jpg", "c.txt", "._d.jpg", "e.JPG"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            file.addfile(entry, io.BytesIO(name[-5:-2].encode()))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
        folder = tarfile.TarInfo("folder.jpg")
        folder.type = tarfile.DIRTYPE
        file.addfile(folder)
    whole = contents(Archive(str(path), 0, len(members(str(path)))))
    assert whole == {f"{path}::/etc/a.jpg": b"a.j", f"{path}::../b.jpg": b"b.j", f"{path}::e.JPG": b"e.J"}
    assert list(contents(Archive(str(path), 0, 3).part(1, 3))) == list(whole)[1:]


@pytest.mark.parametrize("kept", [0, 700, 1500, 2300])
def test_a_damaged_archive_ends_with_its_error(archive, kept):
    path = archive(("a.jpg", b"a" * 600), ("b.jpg", b"b" * 600), ("c.jpg", b"c" * 600))
    path.write_bytes(path.read_bytes()[:kept])
    *_, last = contents(Archive(str(path), 0, len(members(str(path))))).values()
    assert "damaged" in last


def test_an_archive_of_many_members_is_indexed_in_little_memory(tmp_path):
    import tracemalloc

    path = tmp_path / "many.tar"
    entry = tarfile.TarInfo("x" * 20 + ".jpg")
    with path.open("wb") as file:
        file.write(entry.tobuf() * 5000 + bytes(1024))
    tracemalloc.start()
    assert len(members(str(path))) == 5000
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()
    members.cache_clear()


def parquet(path, values, kind=None, **options):
    pq.write_table(pa.table({"image": pa.array(values, kind), "label": list(range(len(values)))}), path, **options)
    return str(path)


@pytest.mark.parametrize("struct", [False, True])
def test_parquet_gives_any_range_of_its_rows(tmp_path, struct):
    values = [b"%d" % number for number in range(100)]
    stored = [{"bytes": value, "path": "x.jpg"} for value in values] if struct else values
    path = parquet(tmp_path / "t.parquet", stored, row_group_size=30)
    assert rows_of(path, "image") == 100
    for start, stop in ((0, 100), (0, 1), (29, 31), (31, 59), (64, 100)):
        part = Table(path, "image", 0, 100).part(start, stop)
        assert contents(part) == {f"{path}::{row}": values[row] for row in range(start, stop)}


def test_rows_without_bytes_say_so(tmp_path):
    path = parquet(tmp_path / "t.parquet", [None, b"x"])
    assert list(contents(Table(path, "image", 0, 2)).values()) == ["This row of the Parquet file holds no bytes.", b"x"]


def test_a_parquet_file_damaged_inside_loses_no_row(tmp_path):
    path = tmp_path / "t.parquet"
    parquet(
        path,
        [(ROOT / "examples/test/0_000.jpg").read_bytes()] * 4,
        row_group_size=2,
        use_dictionary=False,
        compression="none",
    )
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)  # the first page's header
    path.write_bytes(bytes(data))
    found = contents(Table(str(path), "image", 0, 4))
    assert len(found) == 4 and all("damaged here" in str(value) for value in list(found.values())[:2])


@pytest.mark.parametrize(
    ("table", "words"),
    [({"picture": [b"x"]}, "no column 'image' but picture"), ({"image": ["x"]}, "holds string, not the bytes")],
)
def test_a_parquet_file_without_images_is_refused(tmp_path, table, words):
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=words):
        rows_of(str(tmp_path / "t.parquet"), "image")


def test_what_holds_no_photos_is_one_photo_with_an_error():
    assert contents(Broken("/x.parquet", "It is broken.")) == {"/x.parquet": "It is broken."}


def test_labels_are_those_of_the_photos(tmp_path, archive):
    table = Table(parquet(tmp_path / "t.parquet", [b"x"] * 3), "image", 0, 3)
    tar = Archive(str(archive(("a/1.jpg", b"1"), ("2.jpg", b"2"))), 0, 2)
    for source in (Files(("/a.jpg", "/b::c.jpg")), Broken("/x.parquet", "No."), table.part(1, 3), tar.part(1, 2)):
        assert list(source.labels()) == [taken.label for taken in source.photos()]
