"""The folder of a run: what does not fit is refused in a sentence, parts are whole, a full disk is a sentence."""

import errno
import json
import os
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from batch import Options, Refused, Stopped, write_report
from batch.folder import Run, enter, gaps, locked, write_atomically, write_part
from batch.rows import Row, table_of

RUN = Run(Options(), "sha256:1", 100, "digest", {"files": 100}, 1)
ROWS = table_of([Row(0, "a.jpg", error="x")])


def test_gaps_are_what_no_part_holds():
    assert gaps(10, []) == [range(10)]
    assert gaps(10, [range(4), range(6, 8)]) == [range(4, 6), range(8, 10)]
    assert gaps(10, [range(10)]) == []


def test_a_folder_is_gone_on_with_and_leftovers_are_removed(tmp_path):
    assert enter(tmp_path, RUN) == []
    write_part(tmp_path, range(4), ROWS, RUN.id)
    write_part(tmp_path, range(8, 12), ROWS, RUN.id)
    (tmp_path / "part-000000000004-000000000008.parquet.77.tmp").write_bytes(b"half")
    assert enter(tmp_path, RUN) == [range(4), range(8, 12)]
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(RUN, options=Options(method="LayerCAM")), "other options .method was 'Grad-CAM'."),
        (replace(RUN, weights="sha256:2"), "The weights of the model have changed"),
        (replace(RUN, inputs="another"), "The photos have changed"),
        (replace(RUN, photos=101), "The photos have changed"),
        (replace(RUN, truth="sha256:3"), "The true classes have changed"),
    ],
)
def test_another_run_is_refused(tmp_path, other, words):
    enter(tmp_path, RUN)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(Refused, match=words):
        enter(tmp_path, other)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_run_of_another_version_is_neither_gone_on_with_nor_reported(tmp_path):
    manifest = RUN.as_json() | {"form": 1}
    del manifest["truth"], manifest["options"]["truth"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    write_part(tmp_path, range(1), ROWS.drop_columns("truth"), RUN.id)
    with pytest.raises(Refused, match="another version"):
        enter(tmp_path, RUN)
    with pytest.raises(Refused, match="another version"):
        write_report(tmp_path)


def test_parts_that_do_not_belong_are_refused(tmp_path):
    enter(tmp_path, RUN)
    part = write_part(tmp_path, range(4), ROWS, "another run")
    with pytest.raises(Refused, match="damaged or of another run"):
        enter(tmp_path, RUN)
    part.write_bytes(b"PAR1")
    with pytest.raises(Refused, match="damaged or of another run"):
        enter(tmp_path, RUN)
    part.unlink()
    write_part(tmp_path, range(4), ROWS, RUN.id)
    write_part(tmp_path, range(2, 6), ROWS, RUN.id)
    with pytest.raises(Refused, match="Two parts in .* hold photo 2"):
        enter(tmp_path, RUN)
    (tmp_path / "manifest.json").write_text(json.dumps({"options": {"colour": 1}}))
    with pytest.raises(Refused, match=r"manifest\.json is damaged"):
        enter(tmp_path, RUN)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(Refused, match="no manifest"):
        enter(tmp_path, RUN)


def test_only_one_run_at_a_time_writes_there(tmp_path):
    with locked(tmp_path / "out"), pytest.raises(Refused, match="Another run"), locked(tmp_path / "out"):
        pass
    with locked(tmp_path / "out"):
        pass


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half(tmp_path, monkeypatch):
    enter(tmp_path, RUN)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Stopped, match="is full; free some space and start the same command again") as caught:
        write_part(tmp_path, range(4), ROWS, RUN.id)
    assert caught.value.code == 3 and [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Stopped, match="cannot be written to"), locked(tmp_path / "file/out"):
        pass


def test_a_part_appears_only_when_it_is_whole(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(sorted(path.name for path in tmp_path.iterdir())))
    path = write_part(tmp_path, range(4), ROWS, RUN.id)
    assert seen[0] == [f"{path.name}.{os.getpid()}.tmp"] and seen[1] == [path.name], "the file, then its folder"
    assert pq.read_metadata(path).num_rows == 1
    write_atomically(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
