"""Ray: the rows of the local engine, each photo once, also where a worker is killed on the way."""

import os
import shutil
import signal

import pytest

from batch import Pace

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r batch/requirements.txt")


@pytest.fixture(scope="module")
def one_ray():
    """One Ray for all tests, whose start takes longer than their work: the first run starts it, none ends it.

    Gives a list, one element longer for each run that would have ended it.
    """
    ends = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "shutdown", lambda: ends.append("of a run"))
        yield ends
    ray.shutdown()


@pytest.fixture(autouse=True)
def ended(one_ray):
    """The run on Ray ends it."""
    before = len(one_ray)
    yield
    assert len(one_ray) == before + 1


def test_rays_rows_are_those_of_the_local_engine(photos, run, tmp_path):
    (photos / "b.jpg").write_bytes(b"no photo")
    for name in "fgh":
        shutil.copy(photos / "a.jpg", photos / f"{name}.jpg")
    table = tmp_path / "truth.csv"
    table.write_text("file,class\nphotos/a.jpg,rudo\nphotos/b.jpg,baya\n")
    asked = {"targets": "top5", "truth": str(table)}
    local = run(photos, **asked)
    on_ray = run(photos, **asked, out=tmp_path / "ray", pace=Pace("ray", workers=1, shard_rows=8))
    assert len(list((tmp_path / "ray").glob("part-*.parquet"))) > 1, "several pieces"
    figures = ("logit", "probability", "peak", "share", "centroid_x", "centroid_y")
    boxes = ("box_left", "box_top", "box_right", "box_bottom")
    assert len(local) == len(on_ray) == 7 * 4 + 1
    assert {row["truth"] for row in local} == {"rudo", "baya", None}
    for one, other in zip(local, on_ray):  # batches of other photos round differently; a box is of whole pixels
        for name, value in one.items():
            if name in boxes and value is not None:
                assert other[name] == pytest.approx(value, abs=1.01 / 256), name
            elif name in figures and value is not None:
                assert other[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
            elif name not in ("heat", "heat_scale"):
                assert other[name] == value, name


def test_a_killed_actors_photos_are_there_in_the_end(photos, run, tmp_path, monkeypatch):
    """The first actor kills itself at its second piece, once; Ray replaces it."""
    from batch import on_ray

    for name in "fghijkl":
        shutil.copy(photos / "a.jpg", photos / f"{name}.jpg")
    marker = tmp_path / "killed"
    inner = on_ray.Actor._write

    class Mortal(on_ray.Actor):
        def _write(self, packed, marker=marker, inner=inner):
            self._pieces = getattr(self, "_pieces", 0) + 1
            if self._pieces == 2 and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(self, packed)

    monkeypatch.setattr(on_ray, "Actor", Mortal)
    rows = run(photos, pace=Pace("ray", workers=1, shard_rows=2))
    assert marker.exists() and [row["photo"] for row in rows] == list(range(12))
