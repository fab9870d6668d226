"""Processes: the same rows as one makes, and none is lost when a process dies."""

import os
import signal
from dataclasses import replace

import pytest

import batch
from batch import Options, Pace, Stopped
from batch.explaining import Explaining, Piece
from batch.finding import find
from batch.local import Workers, in_this_process, part_of
from batch.sources import Files, Taken
from batch.truth import Truth


@pytest.fixture
def pieces(photos, tmp_path):
    inputs = find([photos], tmp_path / "out")
    return [Piece(start, start + 1, inputs.part(start, start + 1)) for start in range(inputs.count)]


class Deadly(Files):
    """Files whose first reading kills the process: as a crash in a decoder would."""

    def photos(self):
        for taken in super().photos():
            yield Taken(taken.label, lambda taken=taken: self._die(taken))

    def part(self, start, stop):
        return Deadly(self.paths[start:stop])

    def _die(self, taken):
        if taken.label.endswith("c.jpg"):
            os.kill(os.getpid(), signal.SIGKILL)
        return taken.read()


def test_a_photo_that_kills_its_process_is_a_row_and_the_others_are_there(pieces, tmp_path):
    deadly = [replace(piece, sources=tuple(Deadly(source.paths) for source in piece.sources)) for piece in pieces]
    together = Piece(0, 5, tuple(source for piece in deadly for source in piece.sources))
    table, pace = tmp_path / "truth.csv", Pace(workers=1)
    table.write_text("file,class\nphotos/a.jpg,baya\nphotos/c.jpg,rudo\n")
    truth = Truth(str(table), ("rudo", "baya"))
    table.unlink()  # it was read already, and no worker reads it again
    workers = Workers(1, Options(truth=str(table)), pace, tmp_path, truth)
    try:
        ((piece, rows),) = workers.explain([together])
    finally:
        workers.close()
    assert piece == together and [row.photo for row in rows] == [0, 1, 2, 3, 4]
    assert [row.error is None for row in rows] == [True, True, False, True, True]
    assert "ended without a word" in rows[2].error
    assert [row.truth for row in rows] == ["baya", None, "rudo", None, None]
    here = [row for _, rows in in_this_process(pieces, Explaining(Options(), pace, tmp_path)) for row in rows]
    for row, expected in zip(rows, here, strict=True):
        if row.error is None:
            assert row.sha256 == expected.sha256 and row.target == expected.target
            assert row.logit == pytest.approx(expected.logit, rel=1e-5)


def test_workers_that_cannot_live_end_the_run_with_a_sentence(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(Workers, "_submit", _dead)
    workers = Workers(1, Options(), Pace(), tmp_path, Truth("", ()))
    with pytest.raises(Stopped, match="end again and again"):
        list(workers.explain(pieces))
    workers.close()


def _dead(self, piece):
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    future = Future()
    future.set_exception(BrokenProcessPool("killed"))
    return future


def test_a_photo_of_a_piece_is_found_across_its_sources():
    piece = Piece(10, 14, (Files(("a", "b")), Files(("c",)), Files(("d",))))
    assert [part_of(piece, number).sources for number in range(10, 14)] == [(Files((name,)),) for name in "abcd"]


def test_one_process_for_each_core_from_the_photos_on_that_pay_for_its_start(monkeypatch):
    monkeypatch.setattr(batch.options, "cores", lambda: 8)
    assert [Pace().workers_for(photos) for photos in (1, 399, 400, 1000, 10**6)] == [1, 1, 2, 5, 8]
    assert Pace(workers=3).workers_for(1) == 3
