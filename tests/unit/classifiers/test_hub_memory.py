"""Networks in memory: each loaded once, the least recently used forgotten first, failures and leavers leave nothing."""

import threading
from types import SimpleNamespace

import pytest

from classifiers.hub.memory import Memory

PATIENCE = 60


def loaded(size=1):
    return SimpleNamespace(size=size)


def kept(memory, names):
    return [name for name in names if memory.find(name) is not None]


def test_least_recently_used_is_forgotten_first():
    memory = Memory(10)
    for name, size in (("a", 4), ("b", 4), ("c", 2)):
        memory.get(name, lambda progress, size=size: loaded(size))
    assert kept(memory, "bca") == ["b", "c", "a"]  # now a was used last, b longest ago
    memory.get("d", lambda progress: loaded(3))
    assert kept(memory, "abcd") == ["a", "c", "d"]


def test_the_last_is_kept_whatever_its_size():
    memory = Memory(10)
    memory.get("a", lambda progress: loaded(1))
    memory.get("b", lambda progress: loaded(99))
    assert kept(memory, "ab") == ["b"]


def test_two_visitors_load_once_and_a_third_is_not_held_up():
    memory, release, loads, results, seen = Memory(10), threading.Event(), [], [], []

    def slow(progress):
        loads.append(1)
        progress(0.5)
        assert release.wait(PATIENCE)
        return loaded()

    def note(fraction):
        seen.append(fraction)
        if len(seen) == 3:  # 0.5 by whoever loads, then at least twice by whoever waits
            other.set()

    other = threading.Event()
    threads = [threading.Thread(target=lambda: results.append(memory.get("a", slow, note))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert other.wait(PATIENCE)
    assert memory.get("b", lambda progress: loaded()) is memory.find("b")
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert loads == [1] and results[0] is results[1] is memory.find("a") and set(seen) <= {0.0, 0.5}


def test_failure_is_not_kept():
    memory = Memory(10)

    def fail(progress):
        raise OSError("no network")

    for _ in range(2):
        with pytest.raises(OSError, match="no network"):
            memory.get("a", fail)
    assert memory.find("a") is None and memory._loads == {}
    result = loaded()
    assert memory.get("a", lambda progress: result) is result


def test_those_who_wait_share_a_failure():
    memory, waiting, loads, errors = Memory(10), threading.Event(), [], []

    def fail(progress):
        loads.append(1)
        assert waiting.wait(PATIENCE)
        raise OSError("no network")

    def ask(progress=None):
        try:
            memory.get("a", fail, progress)
        except OSError as error:
            errors.append(str(error))

    first = threading.Thread(target=ask)
    first.start()
    second = threading.Thread(target=ask, args=(lambda _: waiting.set(),))
    second.start()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert errors == ["no network"] * 2 and loads == [1]


class Left(Exception):  # noqa: N818
    pass


def leave(_):
    raise Left


def test_whoever_leaves_while_waiting_does_not_stop_the_load():
    memory, started, left, results = Memory(10), threading.Event(), threading.Event(), []
    result = loaded()

    def slow(progress):
        started.set()
        assert left.wait(PATIENCE)
        return result

    loader = threading.Thread(target=lambda: results.append(memory.get("a", slow)))
    loader.start()
    assert started.wait(PATIENCE)
    with pytest.raises(Left):
        memory.get("a", slow, leave)
    left.set()
    loader.join(PATIENCE)
    assert results == [result] and memory.find("a") is result


def test_load_by_one_who_leaves_is_taken_over():
    memory, started, waiting, results = Memory(10), threading.Event(), threading.Event(), []
    result = loaded()

    def broken_off(progress):
        started.set()
        assert waiting.wait(PATIENCE)
        progress(0.1)

    def first():
        with pytest.raises(Left):
            memory.get("a", broken_off, leave)
        results.append("left")

    one = threading.Thread(target=first)
    one.start()
    assert started.wait(PATIENCE)
    two = threading.Thread(
        target=lambda: results.append(memory.get("a", lambda progress: result, lambda _: waiting.set()))
    )
    two.start()
    one.join(PATIENCE)
    two.join(PATIENCE)
    assert "left" in results and result in results
