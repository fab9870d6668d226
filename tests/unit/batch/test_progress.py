"""The line on a terminal, and JSON elsewhere; rate and time left count this run only."""

import io
import json

import pytest

from batch import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_of_json_where_nobody_looks(clock):
    stream = io.StringIO()
    shown = progress.Progress(1000, 500, stream)
    clock[0] += 10
    shown.add(100, 3)
    shown.add(100, 0)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"done": 600, "photos": 1000, "failed": 3, "photos_per_second": 10.0, "seconds_left": 40}
    ], "not for every piece"


def test_one_line_on_a_terminal(clock):
    stream = Terminal()
    shown = progress.Progress(1_000_000, 0, stream)
    clock[0] += 10
    shown.add(100, 1)
    shown.close()
    lines = stream.getvalue().split("\r\x1b[K")[1:]
    assert lines == [
        "100 of 1,000,000 photos, 10.0 a second, 27:46:30 left, 1 unreadable",
        "100 of 1,000,000 photos, 10.0 a second, 27:46:30 left, 1 unreadable\n",
    ]


def test_before_the_first_photo_the_time_left_is_not_known(clock):
    stream = Terminal()
    progress.Progress(10, 0, stream).report()
    assert "? left" in stream.getvalue()
