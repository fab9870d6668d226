"""Whole runs: equal to single calls, killed at any moment and gone on with, refused where they do not fit."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import torch
from live import ROOT, restore_signals

import batch
import classifiers
from batch import Options, Pace, Refused
from batch.folder import locked
from batch.running import _cut
from classifiers.photos.decode import read_photo
from gradcam import Explainer, regions


def rows_in(out):
    return [row for path in sorted(out.glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_rows_equal_single_calls_of_the_explainer(run, photos):
    """A batch and a single photo round differently, by some 1e-6; a pixel of a box may then fall on the other side."""
    classifier = classifiers.load("embedded")
    explainer = Explainer(classifier.network, [classifier.layers[-1].name])
    rows = run(photos, targets="all")
    assert [row["photo"] for row in rows] == [number for number in range(5) for _ in range(4)]
    for row in rows:
        assert row["sha256"] == hashlib.sha256((photos / row["path"]).read_bytes()).hexdigest()
        label = classifier.classes.index(row["target"])
        explanation = explainer.explain(classifier.input_of(read_photo(row["path"]).pixels), label)
        logits, heatmap = explanation.logits[0], explanation.heatmaps[0, 0, 0]
        assert row["logit"] == pytest.approx(float(logits[label]), rel=1e-4, abs=1e-4)
        assert row["probability"] == pytest.approx(float(logits.softmax(0)[label]), rel=1e-3, abs=1e-6)
        assert row["predicted"] == classifier.classes[int(logits.argmax())]
        assert row["rank"] == 1 + int((logits > logits[label]).sum())
        assert row["state"] == explanation.states()[0][0][0] and row["layer"] == "conv_layers.6"
        assert row["peak"] == pytest.approx(float(heatmap.max()), rel=1e-4)
        if row["state"] == "empty":
            continue
        left, top, right, bottom = regions(heatmap).boxes[0]
        box = [row[f"box_{side}"] * 256 for side in ("left", "top", "right", "bottom")]
        assert box == pytest.approx([left, top, right, bottom], abs=1.01)


def test_a_broken_photo_is_a_row_with_its_error(run, photos):
    (photos / "b.jpg").write_bytes(b"")
    (photos / "c.jpg").write_bytes((photos / "a.jpg").read_bytes()[:500])
    (photos / "z.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    rows = {row["path"].rpartition("/")[2]: row for row in run(photos)}
    assert len(rows) == 6 and [row["error"] is None for row in rows.values()] == [True, False, False, True, True, False]
    assert "empty" in rows["b.jpg"]["error"] and "HEIC" in rows["z.heic"]["error"]
    assert rows["b.jpg"]["target"] is None and rows["b.jpg"]["heat"] is None and rows["b.jpg"]["model"] == "embedded"


def test_a_network_that_fails_for_one_photo_costs_that_photo_only(run, photos, monkeypatch):
    explain = Explainer.explain

    def fail(self, images, *args, **named):
        if (images[:, :, 0, 0].sum(1) < 1e-6).any():
            raise RuntimeError("this one is too dark")
        return explain(self, images, *args, **named)

    from PIL import Image

    Image.new("RGB", (256, 256)).save(photos / "b.jpg")
    monkeypatch.setattr(Explainer, "explain", fail)
    errors = [row["error"] for row in run(photos)]
    assert errors == [None, "RuntimeError: this one is too dark", None, None, None]


KILLED = """
import sys, os, signal, io
from batch import running, Options, Pace, writing, folder, options
count, at, out, photos = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
calls = [0]
def killed_at(module, name):
    inner = getattr(module, name)
    def run(*args, **named):
        calls[0] += 1
        if calls[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args, **named)
    setattr(module, name, run)
killed_at(*{"write": (writing, "write_part"), "sync": (os, "fsync"), "rename": (folder, "_sync_folder")}[at])
options.CHUNK = running.CHUNK = 4
running.run(photos, out, Options(), Pace(workers=1, shard_rows=8), io.StringIO())
"""


@pytest.mark.parametrize(("at", "count"), [("sync", 3), ("rename", 2)])
def test_killed_and_started_again_each_photo_is_there_once(tmp_path, at, count):
    """In a part that is written but not renamed, and right after a rename."""
    photos = tmp_path / "photos"
    photos.mkdir()
    held_out = sorted((ROOT / "examples/val").glob("*.jpg"))[:10]
    for copy in range(2):
        for photo in held_out:
            shutil.copy(photo, photos / f"{copy}-{photo.name}")
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(count), at, str(out), str(photos)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert len(before) < 3
    batch.run([photos], out, Options(), Pace(workers=1, shard_rows=8), io.StringIO())
    rows = rows_in(out)
    assert [row["photo"] for row in rows] == list(range(20)), "each once, in order"
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before, "what was done is not done again"
    assert [row["logit"] for row in rows[:10]] == pytest.approx([row["logit"] for row in rows[10:]], rel=1e-3)
    assert not list(out.glob("*.tmp")) and (out / "report.html").exists()


def start(out, *photos, shard_rows, **streams):
    """The command with two workers, in a group of processes of its own, in which signals are not ignored."""
    command = [sys.executable, "-m", "batch", *photos, "--out", out, "--workers", "2", "--shard-rows", shard_rows]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        text=True,
        start_new_session=True,
        preexec_fn=restore_signals,  # noqa: PLW1509 (signals only)
        **streams,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_done_and_ends_with_a_sentence(tmp_path, number):
    """After the first of eight parts: of 240 photos, some seconds' work is left."""
    out = tmp_path / "out"
    running = start(out, "examples/test", "examples/val", shard_rows=32, stderr=subprocess.PIPE)
    try:
        _wait_for(lambda: list(out.glob("part-*.parquet")))
        os.killpg(running.pid, number)
        _, told = running.communicate(timeout=120)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 128 + number and "Traceback" not in told
    assert told.splitlines()[-1].startswith("Stopped; start the same command again to go on")
    done = sum(pq.read_metadata(path).num_rows for path in out.glob("part-*.parquet"))
    assert 32 <= done < 240


def _wait_for(happened):
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def test_workers_end_with_a_run_that_is_killed(tmp_path):
    running = start(tmp_path / "out", "examples/test", shard_rows=8, stderr=subprocess.DEVNULL)
    _wait_for(lambda: len(_processes_of(running.pid)) > 2)
    running.kill()
    running.wait()

    try:
        _wait_for(lambda: not _processes_of(running.pid))
    finally:
        if _processes_of(running.pid):
            os.killpg(running.pid, signal.SIGKILL)


def _processes_of(group):
    """The processes of a group that are alive."""
    told = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if line.split()[0] == str(group) and "Z" not in line.split()[1]]


def test_changed_photos_options_or_a_second_run_are_refused(run, photos, tmp_path):
    run(photos)
    with pytest.raises(Refused, match="method was 'Grad-CAM'"):
        run(photos, method="LayerCAM")
    with pytest.raises(Refused, match="targets was 'predicted'"):
        run(photos, targets="all")
    with locked(tmp_path / "out"), pytest.raises(Refused, match="Another run"):
        run(photos)
    shutil.copy(photos / "a.jpg", photos / "f.jpg")
    with pytest.raises(Refused, match="The photos have changed"):
        run(photos)
    assert len(rows_in(tmp_path / "out")) == 5


def test_changed_weights_are_refused(run, photos):
    run(photos)
    bias = classifiers.load("embedded").network.fc_layers[-1].bias
    with torch.no_grad():
        bias += 1
    try:
        with pytest.raises(Refused, match="weights of the model have changed"):
            run(photos)
    finally:
        with torch.no_grad():
            bias -= 1


def test_a_run_that_is_done_is_not_done_again(run, photos, tmp_path, monkeypatch):
    run(photos)
    monkeypatch.setattr("batch.explaining.Explaining.rows", None)
    assert len(run(photos)) == 5 and json.loads((tmp_path / "out/manifest.json").read_text())["photos"] == 5


def test_the_folder_of_the_run_may_lie_among_the_photos(run, photos):
    for _ in range(2):
        assert len(run(photos, out=photos / "out", overlays=True)) == 5


def test_overlays_are_pictures_of_the_photo_and_named_in_the_row(run, photos, tmp_path):
    from PIL import Image

    rows = run(photos, overlays=True, targets="rudo,baya")
    assert len({row["overlay"] for row in rows}) == 10
    for row in rows:
        assert Image.open(tmp_path / "out" / row["overlay"]).size == (256, 256)


def test_methods_that_cannot_read_a_layer_are_refused_before_the_first_photo(run, photos, tmp_path):
    with pytest.raises(Refused, match="CAM of embedded cannot be computed"):
        run(photos, method="CAM")
    assert not (tmp_path / "out").exists()


def test_pieces_begin_at_the_same_places_however_often_a_run_stopped():
    assert list(_cut([range(10)], 4)) == [range(4), range(4, 8), range(8, 10)]
    assert list(_cut([range(3, 10), range(12, 13)], 4)) == [range(3, 4), range(4, 8), range(8, 10), range(12, 13)]


def test_archives_and_tables_give_the_same_rows_as_files(run, photos, archive, tmp_path):
    import pyarrow as pa

    contents = [path.read_bytes() for path in sorted(photos.iterdir())]
    tar = archive(*((f"{number}.jpg", content) for number, content in enumerate(contents)))
    pq.write_table(pa.table({"image": [{"bytes": data, "path": None} for data in contents]}), tmp_path / "p.parquet")
    seen = []
    for number, named in enumerate((photos, tar, tmp_path / "p.parquet")):
        rows = run(named, out=tmp_path / f"out{number}")
        seen.append(
            [[row[name] for name in ("photo", "sha256", "target", "logit", "heat", "box_left")] for row in rows]
        )
    assert seen[0] == seen[1] == seen[2]


def test_without_pyarrow_one_sentence_says_what_to_install(monkeypatch, photos, tmp_path):
    monkeypatch.setattr("batch.running.find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"pip install -r batch/requirements\.txt\.$"):
        batch.run([photos], tmp_path / "out")
