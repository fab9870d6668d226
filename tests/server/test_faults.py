"""Fault injection: kill -9, a full disk, damaged files, clients that disconnect, a clock that jumps."""

import asyncio
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from app_process import App
from fake_hub import _Handler, fake_hub  # noqa: F401 (a fixture)
from gradio.exceptions import ComponentProcessingError
from huggingface_hub import constants
from live import PATIENCE, ROOT, changed

import app
from explorer.controls import examples_strip
from explorer.photos import examples
from explorer.server import cancellation, environment, run_directory, shutdown
from explorer.server.cancellation import cancellable
from explorer.server.cleanup import FileAges, sweep
from explorer.server.errors import HANDLERS, NO_ROOM, as_sentence, disk_full_as_sentence
from explorer.server.upload import save_for_download
from gradcam import Cancelled
from potplants import hub, models
from potplants.hub import HubFile, downloads

# A client that disconnects. Each check for a client takes a third of a second here, and is logged

SLOW = """
import time
from explorer.server import cancellation as cancellation
check = cancellation._Run.check
def slow_check(self):
    print("checking", flush=True)
    time.sleep(0.3)
    try:
        check(self)
    except Exception:
        print("cancelled", flush=True)
        raise
cancellation._Run.check = slow_check
from explorer.explanation import service as service_module
make = service_module.explain_frame
def explain_logged(*values, **more):
    print("explanation started", flush=True)
    return make(*values, **more)
service_module.explain_frame = explain_logged
from explorer.explanation.coalescing import SharedResult
get = SharedResult.get
def get_logged(*values):
    print("result requested", flush=True)
    return get(*values)
SharedResult.get = get_logged
"""
LONG = {
    "/explain": ["embedded", "Score-CAM", "edges", "jet", "each map"],
    "/heatmaps": ["embedded", "Ablation-CAM"],
    "/what_if": ["embedded", "Score-CAM", "hottest", 10, "predicted", "conv3", "fill", "red", None, "", 20],
    "/trust": ["embedded", "Grad-CAM", "predicted", "conv3"],
    "/audit": ["embedded", "none", "val", False],
}


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    with App(tmp_path_factory.mktemp("slow") / "home", "--model", "embedded", program=changed(SLOW)) as app:
        yield app
        app.begin("/audit", *LONG["/audit"])
        assert app.end(signal.SIGTERM) == 0 and folders(app.home) == [] and "Traceback" not in app.log, app.log


def wait_for(app, words, times):
    until = time.monotonic() + PATIENCE
    while app.log.count(words) < times and "Traceback" not in app.log and time.monotonic() < until:
        time.sleep(0.02)
    assert app.log.count(words) >= times, app.log


def folders(home):
    return sorted(path.name for path in (home / "gradio").glob(f"{run_directory.PREFIX}*"))


def checks(app):
    return app.log.count("checking")


def until_at_work(app, before, count=2):
    wait_for(app, "checking", before + count)


def check_cancelled(app, times):
    """The work has been cancelled, and nothing more is done."""
    wait_for(app, "cancelled", times)
    before = checks(app)
    time.sleep(0.5)  # a check takes a third of a second
    assert checks(app) == before and "Traceback" not in app.log


def values(app, endpoint):
    return LONG[endpoint] if endpoint == "/audit" else [app.photo, *LONG[endpoint]]


@pytest.mark.parametrize("endpoint", LONG)
def test_work_ends_when_the_client_disconnects(slow, endpoint):
    before, cancelled = checks(slow), slow.log.count("cancelled")
    event = slow.begin(endpoint, *values(slow, endpoint))
    with slow.http.stream("GET", f"/gradio_api/call{endpoint}/{event}"):
        until_at_work(slow, before)
    check_cancelled(slow, cancelled + 1)


def join(app, endpoint, session):
    """Queue an event as a page does."""
    index = next(
        fn["id"]
        for fn in app.http.get("/config").json()["dependencies"]
        if fn["api_name"] == endpoint.removeprefix("/")
    )
    body = {"data": values(app, endpoint), "fn_index": index, "session_hash": session}
    return app.http.post("/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"], index


def test_work_ends_when_the_page_is_closed(slow):
    before, cancelled = checks(slow), slow.log.count("cancelled")
    join(slow, "/explain", "closed")
    with slow.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "closed"}):
        until_at_work(slow, before)
    check_cancelled(slow, cancelled + 1)


def test_work_ends_when_it_is_cancelled(slow):
    """Gradio frees the place at once, but does not stop the thread."""
    before, cancelled = checks(slow), slow.log.count("cancelled")
    event, index = join(slow, "/explain", "cancelled")
    with slow.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "cancelled"}) as stream:
        until_at_work(slow, before)
        slow.http.post(
            "/gradio_api/cancel", json={"session_hash": "cancelled", "fn_index": index, "event_id": event}
        ).raise_for_status()
        check_cancelled(slow, cancelled + 1)
        assert "process_completed" in next(line for line in stream.iter_lines() if "process_completed" in line)


def test_a_client_that_leaves_the_queue_is_not_served(slow):
    before, cancelled = checks(slow), slow.log.count("cancelled")
    audit = values(slow, "/audit")
    first = slow.begin("/audit", *audit)
    with slow.http.stream("GET", f"/gradio_api/call/audit/{first}"):
        until_at_work(slow, before)
        with slow.http.stream("GET", f"/gradio_api/call/audit/{slow.begin('/audit', *audit)}"):
            assert slow.http.get("/gradio_api/queue/status").json()["queue_size"] == 1
        time.sleep(0.5)
        assert slow.http.get("/gradio_api/queue/status").json()["queue_size"] == 0
    check_cancelled(slow, cancelled + 1)


def test_work_continues_for_other_clients_of_the_same_result(slow):
    arguments, before = [slow.photo, "debiased", "Score-CAM"], checks(slow)
    begun, wanted = slow.log.count("explanation started"), slow.log.count("result requested")
    leaver = slow.begin("/heatmaps", *arguments)
    with slow.http.stream("GET", f"/gradio_api/call/heatmaps/{leaver}") as stream:
        until_at_work(slow, before)
        with ThreadPoolExecutor(1) as pool:
            stayer = pool.submit(slow.ask, "/heatmaps", *arguments)
            wait_for(slow, "result requested", wanted + 2)
            stream.close()
            assert stayer.result()[0] == "complete"
    assert slow.log.count("explanation started") == begun + 1


# A Hub that dies while it sends, or sends what it did not announce. More of it: test_hub, test_models

FILE = HubFile("someone/models", "models/one/model.pth")
CONTENT = os.urandom(1_000_000)


@pytest.fixture
def server(fake_hub, monkeypatch):  # noqa: F811
    monkeypatch.setattr(downloads, "_downloads", {})
    fake_hub.files[f"{FILE.repo}/{FILE.path}"] = CONTENT
    return fake_hub


def parts():
    """What is half there in the Hub's cache."""
    return list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


def test_a_slow_download_times_out_and_continues(server, monkeypatch):
    monkeypatch.setattr(downloads, "SLOW_SECONDS", 0.4)
    server.chunk_pause = 0.15
    with pytest.raises(hub.HubError, match=r"the Hub is slow: \d+% has come after 0.4 s; it goes on by itself"):
        hub.fetch(FILE)
    assert hub.cached(FILE) is None
    monkeypatch.setattr(downloads, "SLOW_SECONDS", PATIENCE)
    assert hub.fetch(FILE).read_bytes() == CONTENT and len(server.got("GET")) == 1


def test_a_body_shorter_than_announced_is_not_used(server, monkeypatch):
    whole = _Handler._send

    def less(self, status, headers, body):
        whole(self, status, headers, body if self.command == "HEAD" else body[:-5000])

    monkeypatch.setattr(_Handler, "_send", less)
    with pytest.raises(hub.HubError):
        hub.fetch(FILE)
    assert hub.cached(FILE) is None
    monkeypatch.setattr(_Handler, "_send", whole)
    assert hub.fetch(FILE).read_bytes() == CONTENT


FETCH = """
import sys
from potplants import hub
hub.fetch(hub.HubFile(*sys.argv[1:]))
"""


def test_killed_during_a_download(server):
    variables = {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_HUB_CACHE": str(constants.HF_HUB_CACHE),
        "PYTHONPATH": str(ROOT),
    }
    server.chunk_pause = 0.4
    fetching = subprocess.Popen(
        [sys.executable, "-c", FETCH, FILE.repo, FILE.path], env=variables, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + PATIENCE
    while not parts() and time.monotonic() < until:
        time.sleep(0.02)
    fetching.kill()
    fetching.wait()
    assert parts() and hub.cached(FILE) is None
    server.chunk_pause = 0.0
    assert hub.fetch(FILE).read_bytes() == CONTENT
    assert not parts(), "131 MB would stay for ever after each kill"


# A cache that has gone bad


@pytest.mark.parametrize("where", ["the link", "the content"])
def test_a_folder_in_place_of_a_cached_file_is_removed(server, where):
    path = hub.fetch(FILE)
    place = path if where == "the link" else path.resolve()
    place.unlink()
    (place / "within").mkdir(parents=True)
    assert hub.cached(FILE) is None
    assert hub.fetch(FILE).read_bytes() == CONTENT


def test_a_corrupt_cache_is_one_sentence(server):
    refs = hub.fetch(FILE).parents[4] / "refs" / "main"
    refs.write_bytes(b"\xff\xfe\0")
    assert hub.cached(FILE) is None
    with pytest.raises(hub.HubError, match="the download failed"):
        hub.fetch(FILE)


# No room on the disk; the drill fills a real one


def test_a_full_disk_during_an_answer_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_in_component():
        try:
            full()
        except OSError as error:
            raise ComponentProcessingError("as Gradio wraps it") from error

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(gr.Error, match="no room for files"), disk_full_as_sentence():
        save_for_download(b"a zip", "a.zip", str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "what was written by half takes up room"
    with pytest.raises(gr.Error, match="no room for files"), disk_full_as_sentence():
        full_in_component()
    with pytest.raises(FileNotFoundError), disk_full_as_sentence():
        (tmp_path / "missing").read_bytes()


def test_a_full_disk_during_an_upload_is_one_sentence():
    answer = asyncio.run(HANDLERS[OSError](None, OSError(errno.ENOSPC, "full")))
    assert answer.status_code == 503 and json.loads(answer.body)["detail"] == NO_ROOM
    with pytest.raises(PermissionError):
        asyncio.run(HANDLERS[OSError](None, PermissionError(errno.EACCES, "not yours")))


def test_an_unwritable_directory_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "gradio"))
    with pytest.raises(ValueError, match=r"Nothing can be written in .* \(Not a directory\): set GRADIO_TEMP_DIR"):
        run_directory.create()

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "full"))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ValueError, match="No space left on device.: make room, or set GRADIO_TEMP_DIR"):
        run_directory.create()
    assert list((tmp_path / "full").iterdir()) == []


# Examples and weights that come with the app, damaged


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the example photos that a test may spoil."""
    shutil.copytree(examples.EMBEDDED, tmp_path / "examples")
    monkeypatch.setattr(examples, "EMBEDDED", tmp_path / "examples")
    return tmp_path / "examples"


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:3000]),
        lambda file: file.write_bytes(b""),
        Path.unlink,
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_damaged_example_is_left_out_and_named(copied, damage):
    damage(copied / "test" / "0_000.jpg")
    loaded = examples.embedded()
    assert len(loaded.shown) == len(examples.SHOWN) + 6 - 1 and loaded.story.key == "val/0_000"
    assert loaded.origin.endswith("(0_000.jpg cannot be read)")
    assert loaded.known(copied / "test" / "1_000.jpg").really == "baya"
    assert "Rudo, old red pot" in examples_strip(loaded)


def test_no_readable_example_is_one_sentence(copied):
    for file in copied.rglob("*.jpg"):
        file.write_bytes(b"no photo")
    with pytest.raises(ValueError, match="None of the 16 example photos can be read, .*: put good copies"):
        examples.embedded()
    with pytest.raises(ValueError, match="None of the 12 example photos"):
        examples.from_folder(copied)


@pytest.mark.parametrize("content", [b"", b"file,class\n1", b"\xff\xfe\0\0", None])
def test_a_damaged_table_is_one_sentence(copied, content):
    copied.joinpath("index.csv").unlink() if content is None else copied.joinpath("index.csv").write_bytes(content)
    with pytest.raises(ValueError, match="index.csv is missing or damaged: put a good copy in its place"):
        examples.embedded()


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", bytes(5000)])
def test_damaged_embedded_weights_are_one_sentence(tmp_path, monkeypatch, capsys, content):
    (tmp_path / "embedded.safetensors").write_bytes(content)
    monkeypatch.setattr(models, "_networks", {})
    monkeypatch.setitem(
        models.MODELS, "embedded", replace(models.MODELS["embedded"], weights=tmp_path / "embedded.safetensors")
    )
    for module, name in ((run_directory, "create"), (shutdown, "on_request"), (environment, "validate")):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(sys, "argv", ["app.py", "--model", "embedded", "--port", "0"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert "embedded.safetensors cannot be used as weights: " in capsys.readouterr().err


# Killed, and ended by a signal


def test_killed_restarted_and_interrupted(tmp_path):
    options = ["embedded", "Score-CAM", "edges", "jet", "each map"]
    with App(tmp_path / "home", "--model", "embedded") as first, ExitStack() as callers:
        photo = first.photo
        assert first.ask("/heatmaps", photo, "embedded", "Grad-CAM")[0] == "complete"
        for method in ("Score-CAM", "Ablation-CAM", "Grad-CAM"):
            event = first.begin("/explain", photo, "debiased", method, *options[2:])
            callers.enter_context(first.http.stream("GET", f"/gradio_api/call/explain/{event}"))
        (before,) = folders(first.home)
        Path(photo["path"]).with_name("tmphalf").write_bytes(b"half an upload")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert folders(tmp_path / "home") == [before]
    with socket.socket() as silent_host:  # the way to a public link: it takes connections and never answers
        silent_host.bind(("127.0.0.1", 0))
        silent_host.listen()
        silent_host.settimeout(PATIENCE)
        proxy = f"http://127.0.0.1:{silent_host.getsockname()[1]}"
        with App(
            tmp_path / "home", "--model", "embedded", "--share", port=first.port, https_proxy=proxy, HTTPS_PROXY=proxy
        ) as second:
            (after,) = folders(second.home)
            assert after != before and not Path(photo["path"]).exists()
            kind, (gallery, report) = second.ask("/explain", second.photo, "embedded", "Grad-CAM", *options[2:])
            assert kind == "complete" and report["predicted"] == "baya" and len(gallery) == 20
            assert second.ask("/explain", photo, *options)[0] == "error"  # the photo of the killed run is gone
            line, _ = silent_host.accept()  # held: hanging up would be an answer
            assert second.end(signal.SIGINT) == 0
            line.close()
    assert folders(second.home) == [] and "Traceback" not in second.log and "No public link" not in second.log, (
        second.log
    )


def test_a_locked_directory_is_not_removed(tmp_path):
    held, left = tmp_path / f"{run_directory.PREFIX}held", tmp_path / f"{run_directory.PREFIX}left"
    for place in (held, left):
        (place / "uploads").mkdir(parents=True)
    (tmp_path / "somebody's").mkdir()
    descriptor = run_directory._lock(held)
    run_directory.remove_abandoned(tmp_path)
    os.close(descriptor)
    assert {path.name for path in tmp_path.iterdir()} == {held.name, "somebody's"}
    run_directory.remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"somebody's"}


# A clock that jumps


def test_a_clock_jump_deletes_no_file_in_use(tmp_path, monkeypatch):
    (tmp_path / "tmpupload").write_text("half of it")
    (tmp_path / "drawn.npz").write_text("somebody is about to fetch this")
    page = SimpleNamespace(temp_file_sets=[{str(tmp_path / "drawn.npz")}], blocks={})
    ages, wall, steady = FileAges(), time.time, time.monotonic
    for hours in (0, 5, -5):
        monkeypatch.setattr(time, "time", lambda: wall() + hours * 3600)  # noqa: B023 (used within the round)
        sweep(tmp_path, 3600, ages, page)
        assert len(list(tmp_path.iterdir())) == 2, hours
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 3601)
    sweep(tmp_path, 3600, ages, page)
    assert list(tmp_path.iterdir()) == [] and page.temp_file_sets == [set()]


def test_files_of_the_page_are_not_swept(tmp_path):
    (tmp_path / "photo.jpg").write_text("what the page opens with")
    files = {str(tmp_path / "photo.jpg")}
    page = SimpleNamespace(temp_file_sets=[files.copy()], blocks={1: SimpleNamespace(keep_in_cache=files)})
    sweep(tmp_path, -1, FileAges(), page)
    assert list(tmp_path.iterdir())


def test_no_code_uses_the_wall_clock():
    estimates = ROOT / "explorer/server/wakeups.py"  # where Gradio subtracts the start of an event from its own time
    for file in sorted([*ROOT.glob("explorer/**/*.py"), *ROOT.glob("potplants/*.py"), ROOT / "app.py"]):
        assert file == estimates or not re.search(r"time\.time\(|datetime", file.read_text()), file


# The clock that ends work


def test_work_over_the_time_limit_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cancellation, "RUN_SECONDS", -1)

    def handler():
        with as_sentence():
            cancellable()(0.1, "counting")

    with cancellation.run_for_event(None), pytest.raises(gr.Error, match="longer than .* minutes and was stopped"):
        handler()


def test_an_abandoned_run_ends_at_its_next_progress_report():
    with cancellation.run_for_event(SimpleNamespace(alive=True)) as _:
        tell = cancellable()
        tell(0.1, "counting")
    with pytest.raises(Cancelled):
        tell(0.2, "counting")
    with pytest.raises(gr.Error), cancellation.run_for_event(SimpleNamespace(alive=False)):
        cancellable()(0.1, "counting")
    cancellable()(0.1, "outside of any run, nobody minds")
