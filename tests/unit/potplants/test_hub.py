"""Fetching files over real HTTP from a Hub that misbehaves on request: the result is a file or, soon, one sentence."""

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
from potplants.hub import HubError, HubFile, downloads, metadata

FILE = HubFile("someone/models", "models/one/model.pth")
CONTENT = os.urandom(3_000_000)


@pytest.fixture(autouse=True)
def isolated(monkeypatch):
    """Each test starts without earlier requests, and with time limits that a busy machine does not exceed."""
    monkeypatch.setattr(metadata, "_requests", {})
    monkeypatch.setattr(downloads, "_downloads", {})
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 60)
    monkeypatch.setattr(downloads, "STALL_SECONDS", 60)


@pytest.fixture
def server(fake_hub):  # noqa: F811
    fake_hub.files[f"{FILE.repo}/{FILE.path}"] = CONTENT
    return fake_hub


@pytest.fixture
def clock(monkeypatch):
    """The clock behind all time limits; it advances only when a test says so: `clock.now += 3`."""
    clock = SimpleNamespace(now=100.0)
    for module in (metadata, downloads):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def refusal(file: HubFile = FILE) -> str:
    """The fault for which `fetch` fails; the message is one sentence naming the file and the Hub."""
    with pytest.raises(HubError) as caught:
        hub.fetch(file)
    message = str(caught.value)
    assert isinstance(caught.value, OSError) and caught.value.file == file
    request = f"{file.path} of {file.repo} could not be had from {hub.endpoint()}"
    assert message.startswith(f"{request}: {caught.value.fault}; ")
    assert message.endswith(".") and ". " not in message and "\n" not in message
    return caught.value.fault


def partial_files() -> list[str]:
    """Incomplete files in the cache."""
    return [name for _, _, names in os.walk(constants.HF_HUB_CACHE) for name in names if name.endswith(".incomplete")]


# ------------------------------------------------------------------------------------------------------------ success


def test_fetch_downloads_once_and_then_uses_the_cache(server):
    assert hub.cached(FILE) is None
    path = hub.fetch(FILE)
    assert path.read_bytes() == CONTENT and path.name == "model.pth"
    request_count = len(server.requests)
    assert hub.fetch(FILE) == hub.cached(FILE) == path
    assert len(server.requests) == request_count and len(server.got("GET")) == 1


def test_cached_file_needs_no_hub(server, monkeypatch):
    path = hub.fetch(FILE)
    monkeypatch.setenv("HF_ENDPOINT", refused_url())
    assert hub.fetch(FILE) == path


def test_endpoint_follows_the_environment(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://one.invalid/")
    assert hub.endpoint() == "http://one.invalid"
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub.endpoint() == constants.ENDPOINT


def test_progress_rises_to_one_in_the_callers_thread(server, monkeypatch):
    monkeypatch.setattr(downloads, "_POLL_SECONDS", 0.01)
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
    assert seen == []  # nothing was downloaded, so there is no progress


def test_exception_in_progress_reaches_the_caller(server):
    def progress(_):
        raise RuntimeError("the page was closed")

    with pytest.raises(RuntimeError, match="the page was closed"):
        hub.fetch(FILE, progress)


# --------------------------------------------------------------------------------------------------- broken downloads


def test_connection_cut_early_is_resumed_where_it_ended(server):
    server.mode = "cut"
    assert hub.fetch(FILE).read_bytes() == CONTENT
    first, second = server.got("GET")
    assert first.range is None
    assert int(second.range.removeprefix("bytes=").removesuffix("-")) > len(CONTENT) // 4
    assert partial_files() == []


def test_reset_connection_is_restarted(server):
    server.mode = "reset"
    assert hub.fetch(FILE).read_bytes() == CONTENT
    assert len(server.got("GET")) == 2
    assert partial_files() == []


def test_stalled_download_is_resumed_by_the_next_call(server, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)  # after which the library tries again by itself
    server.mode = "cut"

    def progress(fraction):
        if fraction > 0.3:  # the connection was cut; from now on the Hub is silent
            server.mode = "hang"

    with pytest.raises(HubError) as caught:
        hub.fetch(FILE, progress)
    assert "the Hub sent nothing for 0.5 s, at 4" in caught.value.fault
    assert hub.cached(FILE) is None, "a partial file must not count as cached"

    server.mode = "ok"
    monkeypatch.setattr(downloads, "STALL_SECONDS", 60)
    assert hub.fetch(FILE).read_bytes() == CONTENT
    first, *others = server.got("GET")
    assert first.range is None and others and all(request.range for request in others)
    assert partial_files() == []


def test_failed_download_is_restarted_by_the_next_call(server):
    server.mode, server.failures_left = "reset", 2
    assert refusal() == "the Hub cannot be reached (connection reset)"
    assert partial_files() == [] and hub.cached(FILE) is None
    assert hub.fetch(FILE).read_bytes() == CONTENT


def test_hub_that_answers_head_but_not_get_is_given_up(server, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.5)
    server.mode = "hang body"
    assert refusal() == "the Hub sent nothing for 0.5 s, at 0%"


@pytest.fixture
def download(monkeypatch):
    """A download without a thread: it makes progress only when a test reports some."""
    monkeypatch.setattr(downloads, "in_background", lambda *_: Future())
    return lambda: downloads.Download("http://a.invalid", FILE, downloads.MAX_BYTES)


def simulate_waits(monkeypatch, clock, download, seconds, fractions=()):
    """Each wait takes so many seconds, in which the download reaches the next of `fractions`; at 1.0 it ends."""
    fractions = iter(fractions)

    def simulated_wait(outcomes, timeout):
        clock.now += seconds
        fraction = next(fractions, None)
        if fraction is not None:
            download._report(fraction, fraction, 1.0)
        if fraction == 1.0:
            download.outcome.set_result(Path("model.pth"))
        return wait(outcomes, 0)

    monkeypatch.setattr(downloads, "wait", simulated_wait)


def test_slow_download_is_not_stalled(monkeypatch, clock, download):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 4)
    slow = download()
    simulate_waits(monkeypatch, clock, slow, 3, [tenth / 10 for tenth in range(1, 11)])  # 30 s in all
    assert slow.follow(None) == "" and slow.fraction == 1.0


def test_stalled_and_endless_downloads_are_given_up(monkeypatch, clock, download):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 4)
    stalled = download()
    simulate_waits(monkeypatch, clock, stalled, 3, [0.25, 0.5])
    assert stalled.follow(None) == "the Hub sent nothing for 4 s, at 50%"
    begun = clock.now  # another caller joins later, and its time limit starts with its own wait
    clock.now += 100
    assert stalled.follow(None) == "the Hub sent nothing for 4 s, at 50%" and clock.now == begun + 100 + 6
    monkeypatch.setattr(downloads, "SLOW_SECONDS", 20)
    endless = download()
    simulate_waits(monkeypatch, clock, endless, 3, [0.01] * 100)
    assert endless.follow(None) == "the Hub is slow: 1% has come after 20 s"


def test_download_continues_after_the_wait_for_it_has_ended(server, monkeypatch):
    """The next caller joins the late download rather than start a second one."""
    server.chunk_pause = 0.3
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.05)
    with pytest.raises(HubError, match="it goes on by itself"):
        hub.fetch(FILE)
    monkeypatch.setattr(downloads, "STALL_SECONDS", 60)
    seen = []
    assert hub.fetch(FILE, seen.append).read_bytes() == CONTENT
    assert len(set(seen)) > 3, "a caller who joins sees the progress so far"
    assert len(server.got("GET")) == 1


def test_corrupted_body_of_the_right_length_is_accepted(server):
    """Not a requirement but a fact: the content is not checked here. test_models covers the consequences."""
    corrupted = bytes(byte ^ 1 for byte in CONTENT[:1000]) + CONTENT[1000:]
    hub.fetch(FILE)
    hub.evict(FILE)
    server.files[f"{FILE.repo}/{FILE.path}"] = corrupted
    assert hub.fetch(FILE).read_bytes() == corrupted


@pytest.mark.parametrize("mode", ["packed", "endless"])
def test_body_longer_than_announced_is_refused(server, mode):
    """The Hub sends more and then nothing: the caller gets this fault instead of waiting for the end."""
    server.mode = mode
    assert refusal() == "the Hub sends something else than it announced"
    assert partial_files() == [] and hub.cached(FILE) is None
    server.mode = "ok"
    assert hub.fetch(FILE).read_bytes() == CONTENT


def test_file_above_the_size_limit_is_refused(server, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_BYTES", len(CONTENT) - 1)
    assert refusal().startswith("it has more than")
    assert server.got("GET") == []


def test_evict_removes_the_link_and_its_target(server):
    path = hub.fetch(FILE)
    target = path.resolve()
    assert target != path
    hub.evict(FILE)
    assert hub.cached(FILE) is None and not path.is_symlink() and not target.exists()
    hub.evict(FILE)  # nothing left to do
    hub.fetch(FILE)
    assert len(server.got("GET")) == 2


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("mode", "fault"),
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
def test_each_refusal_has_its_own_fault_and_takes_one_request(server, mode, fault):
    server.mode = mode
    assert refusal() == fault
    assert [request.method for request in server.requests] == ["HEAD"], "the probe is enough to know"
    server.mode = "ok"
    assert hub.fetch(FILE).read_bytes() == CONTENT, "a refusal must not be remembered"


@pytest.mark.parametrize(
    ("url", "fault"),
    [(refused_url(), "the Hub cannot be reached (connection refused)"), ("nonsense", "HF_ENDPOINT is no web address")],
    ids=["refused", "nonsense"],
)
def test_unreachable_hub_fails_without_a_wait(monkeypatch, tmp_path, clock, url, fault):
    """The clock stands still, and a fault after a wait would name its seconds."""
    point_to(monkeypatch, url, tmp_path)
    assert refusal() == fault


def test_unknown_host_name_fails_without_a_wait(monkeypatch, tmp_path):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    point_to(monkeypatch, "http://nothing.invalid", tmp_path)
    assert refusal() == "the Hub cannot be reached (its name is not known to DNS)"


def test_silent_hub_is_given_up(server, monkeypatch):
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 0.3)
    server.mode = "hang"
    assert refusal() == "the Hub did not answer within 0.3 s"


def test_silent_name_resolution_is_given_up(monkeypatch, tmp_path):
    """A resolver that drops packets blocks its caller for tens of seconds, and no HTTP timeout covers it."""
    called, released = threading.Event(), threading.Event()

    def slow(*_args, **_kwargs):
        called.set()
        released.wait()
        raise OSError("too late")

    monkeypatch.setattr("socket.getaddrinfo", slow)
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 0.3)
    point_to(monkeypatch, "http://slow.invalid", tmp_path)
    assert "did not answer" in refusal()
    assert called.wait(60)
    released.set()


def test_offline_mode_sends_no_request_but_uses_the_cache(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refusal() == "the Hub may not be asked (HF_HUB_OFFLINE is set)"
    assert server.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = hub.fetch(FILE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.fetch(FILE) == path


def test_unwritable_cache_is_named(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    assert "cache cannot be written" in refusal()


# ------------------------------------------------------------------------------------------------------------- probes


def test_probe_reuses_a_response_only_up_to_max_age(server):
    for _ in range(2):
        hub.probe(FILE)
    assert len(server.requests) == 2
    server.mode = "broken"
    hub.probe(FILE, max_age=30)
    assert len(server.requests) == 2
    with pytest.raises(HubError, match=r"fails \(500\)"):
        hub.probe(FILE, max_age=0)


def test_simultaneous_probes_share_one_request_and_one_wait(monkeypatch, clock):
    requests, waits = [], []

    class NoResponse(Future):
        def result(self, timeout):
            waits.append(timeout)
            clock.now += timeout
            raise TimeoutError

    monkeypatch.setattr(metadata, "in_background", lambda *request: requests.append(request) or NoResponse())
    for _ in range(8):
        with pytest.raises(HubError, match="did not answer within 3 s"):
            hub.probe(FILE, timeout=3, max_age=30)
    assert len(requests) == 1 and waits == [3] + [0] * 7
