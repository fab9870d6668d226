"""A file comes from the Hub, or a sentence says soon why not: over real HTTP, from a Hub that misbehaves."""

import os
import socket
import threading
from concurrent.futures import Future, wait
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_hub import fake_hub, point_to, refused_url  # noqa: F401 (a fixture)
from huggingface_hub import constants

from potplants import hub
from potplants.hub import HubError, HubFile

FILE = HubFile("someone/models", "models/one/model.pth")
CONTENT = os.urandom(3_000_000)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """No test knows what another has asked, and a Hub that answers is waited for on the busiest machine."""
    monkeypatch.setattr(hub, "_probes", {})
    monkeypatch.setattr(hub, "_downloads", {})
    monkeypatch.setattr(hub, "PROBE_SECONDS", 60)
    monkeypatch.setattr(hub, "STALL_SECONDS", 60)


@pytest.fixture
def server(fake_hub):  # noqa: F811
    fake_hub.files[f"{FILE.repo}/{FILE.path}"] = CONTENT
    return fake_hub


@pytest.fixture
def clock(monkeypatch):
    """The clock that ends waits, which stands still until a test sets it on: `clock.now += 3`."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(hub, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def refusal(file: HubFile = FILE) -> str:
    """The fault for which the file is not had; its message is one sentence that says what was asked of whom."""
    with pytest.raises(HubError) as caught:
        hub.fetch(file)
    message = str(caught.value)
    assert isinstance(caught.value, OSError) and caught.value.file == file
    asked = f"{file.path} of {file.repo} could not be had from {hub.endpoint()}"
    assert message.startswith(f"{asked}: {caught.value.fault}; ")
    assert message.endswith(".") and ". " not in message and "\n" not in message
    return caught.value.fault


def left_over() -> list[str]:
    """Half-written files in the cache."""
    return [name for _, _, names in os.walk(constants.HF_HUB_CACHE) for name in names if name.endswith(".incomplete")]


# ------------------------------------------------------------------------------------------------------------ success


def test_fetch_downloads_once_and_then_asks_nobody(server):
    assert hub.cached(FILE) is None
    path = hub.fetch(FILE)
    assert path.read_bytes() == CONTENT and path.name == "model.pth"
    asked = len(server.requests)
    assert hub.fetch(FILE) == hub.cached(FILE) == path
    assert len(server.requests) == asked and len(server.got("GET")) == 1


def test_the_cache_is_enough_when_the_hub_is_gone(server, monkeypatch):
    path = hub.fetch(FILE)
    monkeypatch.setenv("HF_ENDPOINT", refused_url())
    assert hub.fetch(FILE) == path


def test_endpoint_is_read_when_asked(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://one.invalid/")
    assert hub.endpoint() == "http://one.invalid"
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub.endpoint() == constants.ENDPOINT


def test_progress_rises_to_one_in_the_callers_thread(server, monkeypatch):
    monkeypatch.setattr(hub, "_POLL_SECONDS", 0.01)
    server.chunk_pause = 0.05
    seen, threads = [], set()

    def progress(fraction):
        seen.append(fraction)
        threads.add(threading.current_thread())

    hub.fetch(FILE, progress)
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert len(set(seen)) >= 5, "a page could show no movement"
    assert threads == {threading.current_thread()}
    seen.clear()
    hub.fetch(FILE, progress)
    assert seen == []  # nothing came, so there is nothing to tell


def test_an_error_in_progress_is_the_callers_own(server):
    def progress(_):
        raise RuntimeError("the page was closed")

    with pytest.raises(RuntimeError, match="the page was closed"):
        hub.fetch(FILE, progress)


# --------------------------------------------------------------------------------------------------- broken downloads


def test_a_connection_that_ends_early_is_resumed_where_it_ended(server):
    server.mode = "cut"
    assert hub.fetch(FILE).read_bytes() == CONTENT
    first, second = server.got("GET")
    assert first.range is None
    assert int(second.range.removeprefix("bytes=").removesuffix("-")) > len(CONTENT) // 4
    assert left_over() == []


def test_a_connection_that_is_reset_is_begun_again(server):
    server.mode = "reset"
    assert hub.fetch(FILE).read_bytes() == CONTENT
    assert len(server.got("GET")) == 2
    assert left_over() == []


def test_a_download_that_stalls_is_resumed_by_the_next_call(server, monkeypatch):
    monkeypatch.setattr(hub, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)  # after which the library tries again by itself
    server.mode = "cut"

    def progress(fraction):
        if fraction > 0.3:  # the connection was cut; from now on the Hub is silent
            server.mode = "hang"

    with pytest.raises(HubError) as caught:
        hub.fetch(FILE, progress)
    assert "the Hub sent nothing for 0.5 s, at 4" in caught.value.fault
    assert hub.cached(FILE) is None, "half a file is no file"

    server.mode = "ok"
    monkeypatch.setattr(hub, "STALL_SECONDS", 60)
    assert hub.fetch(FILE).read_bytes() == CONTENT
    first, *others = server.got("GET")
    assert first.range is None and others and all(request.range for request in others)
    assert left_over() == []


def test_a_download_that_fails_for_good_is_begun_anew_by_the_next_call(server):
    server.mode, server.accidents = "reset", 2
    assert refusal() == "the Hub cannot be reached (connection reset)"
    assert left_over() == [] and hub.cached(FILE) is None
    assert hub.fetch(FILE).read_bytes() == CONTENT


def test_a_hub_that_answers_head_but_not_get_is_left(server, monkeypatch):
    monkeypatch.setattr(hub, "STALL_SECONDS", 0.5)
    server.mode = "hang body"
    assert refusal() == "the Hub sent nothing for 0.5 s, at 0%"


@pytest.fixture
def download(monkeypatch):
    """A download at which nothing moves by itself."""
    monkeypatch.setattr(hub, "_in_background", lambda *_: Future())
    return lambda: hub._Download("http://a.invalid", FILE, hub.MOST_BYTES)


def passing(monkeypatch, clock, download, seconds, news=()):
    """Let every look at the download take so many seconds, in which it moves if there is news; with the last of it, it ends."""
    news = iter(news)

    def look(outcomes, timeout):
        clock.now += seconds
        part = next(news, None)
        if part is not None:
            download._report(part, part, 1.0)
        if part == 1.0:
            download.outcome.set_result(Path("model.pth"))
        return wait(outcomes, 0)

    monkeypatch.setattr(hub, "wait", look)


def test_a_slow_download_is_not_a_stalled_one(monkeypatch, clock, download):
    monkeypatch.setattr(hub, "STALL_SECONDS", 4)
    slow = download()
    passing(monkeypatch, clock, slow, 3, [tenth / 10 for tenth in range(1, 11)])  # 30 s in all
    assert slow.follow(None) == "" and slow.fraction == 1.0


def test_a_download_that_moves_no_more_is_left_and_so_is_one_that_never_ends(monkeypatch, clock, download):
    monkeypatch.setattr(hub, "STALL_SECONDS", 4)
    stalled = download()
    passing(monkeypatch, clock, stalled, 3, [0.25, 0.5])
    assert stalled.follow(None) == "the Hub sent nothing for 4 s, at 50%"
    begun = clock.now  # another joins later, whose patience begins with its own wait
    clock.now += 100
    assert stalled.follow(None) == "the Hub sent nothing for 4 s, at 50%" and clock.now == begun + 100 + 6
    monkeypatch.setattr(hub, "SLOW_SECONDS", 20)
    dripping = download()
    passing(monkeypatch, clock, dripping, 3, [0.01] * 100)
    assert dripping.follow(None) == "the Hub is slow: 1% has come after 20 s"


def test_a_download_goes_on_after_the_wait_for_it_has_ended(server, monkeypatch):
    """What is late is not lost: the next visitor joins it rather than begin a second one."""
    server.chunk_pause = 0.3
    monkeypatch.setattr(hub, "STALL_SECONDS", 0.05)
    with pytest.raises(HubError, match="it goes on by itself"):
        hub.fetch(FILE)
    monkeypatch.setattr(hub, "STALL_SECONDS", 60)
    seen = []
    assert hub.fetch(FILE, seen.append).read_bytes() == CONTENT
    assert len(set(seen)) > 3, "who joins sees how far it has come"
    assert len(server.got("GET")) == 1


def test_a_corrupted_body_of_the_right_length_is_accepted(server):
    """Not a wish, a fact: nobody looks at the content here. What follows from it is in test_models."""
    corrupted = bytes(byte ^ 1 for byte in CONTENT[:1000]) + CONTENT[1000:]
    hub.fetch(FILE)
    hub.evict(FILE)
    server.files[f"{FILE.repo}/{FILE.path}"] = corrupted
    assert hub.fetch(FILE).read_bytes() == corrupted


@pytest.mark.parametrize("mode", ["packed", "endless"])
def test_no_more_is_taken_than_was_announced(server, mode):
    """The Hub sends more and then falls silent: who waits for the end of it hears of that instead."""
    server.mode = mode
    assert refusal() == "the Hub sends something else than it announced"
    assert left_over() == [] and hub.cached(FILE) is None
    server.mode = "ok"
    assert hub.fetch(FILE).read_bytes() == CONTENT


def test_a_file_of_any_size_is_not_taken(server, monkeypatch):
    monkeypatch.setattr(hub, "MOST_BYTES", len(CONTENT) - 1)
    assert refusal().startswith("it has more than")
    assert server.got("GET") == []


def test_evict_removes_the_content_too(server):
    path = hub.fetch(FILE)
    content = path.resolve()
    assert content != path
    hub.evict(FILE)
    assert hub.cached(FILE) is None and not path.is_symlink() and not content.exists()
    hub.evict(FILE)  # nothing left to do
    hub.fetch(FILE)
    assert len(server.got("GET")) == 2


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "mode, fault",
    [
        ("no file", "the Hub has no such file (404)"),
        ("no repository", "the Hub has no such public repository (404)"),
        ("no revision", "the Hub has no such revision (404)"),
        ("nothing", "what answers there has no such page (404)"),
        ("gated", "the Hub refuses access (401)"),
        ("locked", "the Hub refuses access (401)"),
        ("busy", "the Hub has been asked too often (429)"),
        ("broken", "the Hub itself fails (500)"),
        ("html", "what answers there is not a Hub"),
    ],
)
def test_refusals_are_told_apart_and_asked_for_once(server, mode, fault):
    server.mode = mode
    assert refusal() == fault
    assert [request.method for request in server.requests] == ["HEAD"], "it was the brief probe that found out"
    server.mode = "ok"
    assert hub.fetch(FILE).read_bytes() == CONTENT, "a refusal is not for ever"


@pytest.mark.parametrize(
    "url, fault",
    [(refused_url(), "the Hub cannot be reached (connection refused)"), ("nonsense", "HF_ENDPOINT is no web address")],
    ids=["refused", "nonsense"],
)
def test_an_unreachable_hub_is_known_without_a_wait(monkeypatch, tmp_path, clock, url, fault):
    """Whoever waited would say for how long."""
    point_to(monkeypatch, url, tmp_path)
    assert refusal() == fault


def test_a_hub_without_a_name_is_known_without_a_wait(monkeypatch, tmp_path):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    point_to(monkeypatch, "http://nothing.invalid", tmp_path)
    assert refusal() == "the Hub cannot be reached (its name is not known to DNS)"


def test_a_silent_hub_is_left(server, monkeypatch):
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.3)
    server.mode = "hang"
    assert refusal() == "the Hub did not answer within 0.3 s"


def test_silent_name_resolution_is_left(monkeypatch, tmp_path):
    """A resolver that drops packets holds its caller for tens of seconds, and no HTTP time limit covers it."""
    asked, answered = threading.Event(), threading.Event()

    def slow(*_args, **_kwargs):
        asked.set()
        answered.wait()
        raise OSError("too late")

    monkeypatch.setattr("socket.getaddrinfo", slow)
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.3)
    point_to(monkeypatch, "http://slow.invalid", tmp_path)
    assert "did not answer" in refusal()
    assert asked.wait(60)
    answered.set()


def test_offline_mode_asks_nobody_but_uses_the_cache(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refusal() == "the Hub may not be asked (HF_HUB_OFFLINE is set)"
    assert server.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = hub.fetch(FILE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.fetch(FILE) == path


def test_a_cache_that_cannot_be_written_is_named(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    assert "cache cannot be written" in refusal()


# ------------------------------------------------------------------------------------------------------------- probes


def test_probe_asks_anew_unless_told_to_remember(server):
    for _ in range(2):
        hub.probe(FILE)
    assert len(server.requests) == 2
    server.mode = "broken"
    hub.probe(FILE, remember=30)
    assert len(server.requests) == 2
    with pytest.raises(HubError, match=r"fails \(500\)"):
        hub.probe(FILE, remember=0)


def test_those_who_ask_at_once_share_one_question_and_one_wait(monkeypatch, clock):
    questions, waits = [], []

    class Silence(Future):
        def result(self, timeout):
            waits.append(timeout)
            clock.now += timeout
            raise TimeoutError

    monkeypatch.setattr(hub, "_in_background", lambda *asked: questions.append(asked) or Silence())
    for _ in range(8):
        with pytest.raises(HubError, match="did not answer within 3 s"):
            hub.probe(FILE, patience=3, remember=30)
    assert len(questions) == 1 and waits == [3] + [0] * 7
