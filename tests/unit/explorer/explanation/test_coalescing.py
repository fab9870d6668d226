"""Concurrent requests for a result compute it once, may leave on their own, and the last results are cached."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore
from types import SimpleNamespace

import pytest

from explorer.explanation import coalescing
from explorer.explanation.coalescing import ResultCache, SharedResult
from gradcam import Cancelled


def ignore(part, task):
    pass


def cancelled(part, task):
    raise Cancelled("left")


def test_waiting_request_keeps_the_computation_alive():
    shared, computations, started, waited = SharedResult(), [], Event(), Event()

    def make(progress):
        computations.append(1)
        started.set()
        waited.wait(10)
        progress(0.5, task="half")
        return "made"

    with ThreadPoolExecutor(2) as pool:
        leaver = pool.submit(shared.get, make, cancelled)
        started.wait(10)
        stayer = pool.submit(shared.get, make, ignore)
        time.sleep(0.1)
        waited.set()
        assert stayer.result(10) == leaver.result(10) == "made" and computations == [1]


def test_computation_is_cancelled_once_every_request_has_left():
    shared, started, left = SharedResult(), Event(), Event()

    def make(progress):
        started.set()
        progress(0.1, task="first")
        left.wait(10)
        progress(0.5, task="second")

    def leave_later(part, task):
        if left.is_set():
            cancelled(part, task)

    with ThreadPoolExecutor(2) as pool:
        maker = pool.submit(shared.get, make, leave_later)
        started.wait(10)
        waiter = pool.submit(shared.get, make, cancelled)
        with pytest.raises(Cancelled):
            waiter.result(10)
        left.set()
        with pytest.raises(Cancelled):
            maker.result(10)
    assert shared.get(lambda progress: "anew", ignore) == "anew"


def test_waiting_request_gets_the_progress():
    shared, started, reported, reports = SharedResult(), Event(), Event(), []

    def make(progress):
        progress(0.5, task="half")
        started.set()
        assert reported.wait(10)
        return "made"

    def record(part, task):
        reports.append((part, task))
        reported.set()

    with ThreadPoolExecutor(2) as pool:
        maker = pool.submit(shared.get, make, ignore)
        assert started.wait(10)
        assert pool.submit(shared.get, make, record).result(20) == maker.result(20) == "made"
    assert set(reports) == {(0.5, "half")}


def test_progress_of_a_failed_computation_is_not_reported_for_the_next(monkeypatch):
    monkeypatch.setattr(coalescing, "POLL_SECONDS", 0.01)
    shared, started, reports, polls = SharedResult(), Event(), [], Semaphore(0)

    def fail(progress):
        progress(0.9, task="in vain")
        raise ValueError("none of it")

    def make(progress):
        started.set()
        for _ in range(4):  # the maker's own acquire, and three polls of the waiting request
            assert polls.acquire(timeout=10)
        return "made"

    with pytest.raises(ValueError, match="none of it"):
        shared.get(fail, ignore)
    lock = shared._computing

    def counted(timeout):
        polls.release()
        return lock.acquire(timeout=timeout)

    shared._computing = SimpleNamespace(acquire=counted, release=lock.release)
    with ThreadPoolExecutor(2) as pool:
        maker = pool.submit(shared.get, make, ignore)
        assert started.wait(10)
        waiter = pool.submit(shared.get, make, lambda part, task: reports.append((part, task)))
        assert maker.result(20) == waiter.result(20) == "made" and reports == []


def test_concurrent_requests_for_a_key_compute_once():
    made, cache = [], ResultCache(2)

    def get(key):
        return cache.get(key, lambda progress: made.append(key) or object(), ignore)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(get, ["a"] * 16))
    assert made == ["a"] and len(set(map(id, results))) == 1
    get("b"), get("c"), get("a")  # c evicted a
    assert made == ["a", "b", "c", "a"]


def test_least_recently_used_result_is_evicted():
    """The cache holds two: a and b; a is used once more, so b is evicted when c comes."""
    made, cache = [], ResultCache(2)
    for key in "abacab":
        cache.get(key, lambda progress, key=key: made.append(key), ignore)
    assert made == ["a", "b", "c", "b"]


def test_peek_does_not_wait():
    cache = ResultCache(2)
    assert cache.peek("a") is None
    cache.get("a", lambda progress: cache.peek("a") or 7, ignore)  # during the computation, too
    assert cache.peek("a") == 7


def test_failure_is_not_cached():
    cache = ResultCache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda progress: 1 / 0, ignore)
    assert cache.get("a", lambda progress: 7, ignore) == 7
