"""Shutdown on a signal: at any moment, with status 0, without a stack trace, and with nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from app_process import App
from gradio_client import Client
from gradio_client.exceptions import AppError
from gradio_client.utils import Status
from live import ROOT, changed, restore_signals

from explorer.server import run_directory, shutdown

SIGNALS = [pytest.param(number, id=number.name) for number in shutdown.SIGNALS]


class Child:
    """A program that imports `explorer.server.shutdown` only: it prints "ready" and then waits for a signal."""

    def __init__(self, code, before=restore_signals):
        command = [
            sys.executable,
            "-c",
            f"import atexit, signal, sys, time\nfrom explorer.server import shutdown\n{code}",
        ]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, preexec_fn=before, **pipes)  # noqa: PLW1509 (signals only)
        assert self.process.stdout.readline() == "ready\n"

    def send(self, *signals, stdin=""):
        """(exit status, further output) after these signals."""
        for number in signals:
            self.process.send_signal(number)
        printed = self.process.communicate(stdin)[0]
        return self.process.returncode, printed


LISTENING = """
shutdown.on_request()
atexit.register(print, "cleared away")
print("ready", flush=True)
"""
FOR_EVER = "time.sleep(600)"


@pytest.mark.parametrize("how", SIGNALS)
def test_a_signal_runs_atexit_callbacks_and_exits_with_status_0(how):
    assert Child(LISTENING + FOR_EVER).send(how) == (0, "cleared away\n")


def test_a_second_signal_is_ignored():
    clearing = """
def clear_away():
    print("ready", flush=True)
    sys.stdin.read()
    print("cleared away")
shutdown.on_request()
atexit.register(clear_away)
signal.raise_signal(signal.SIGTERM)
"""
    assert Child(clearing).send(*shutdown.SIGNALS, signal.SIGINT) == (0, "cleared away\n")


@pytest.mark.parametrize("how", SIGNALS)
def test_ignored_signals_stay_ignored(how):
    """As nohup has it for a closed terminal, and a shell for the Ctrl-C of what it started in the background."""
    child = Child(
        LISTENING + "sys.stdin.read(); print('still here')", before=lambda: signal.signal(how, signal.SIG_IGN)
    )
    assert child.send(how) == (0, "still here\ncleared away\n")


def test_code_that_catches_everything_does_not_prevent_the_end():
    stubborn = """
while True:
    try:
        time.sleep(600)
    except BaseException:
        print("caught")
"""
    assert Child(LISTENING + stubborn).send(signal.SIGINT) == (0, "cleared away\n")


def test_a_failing_atexit_callback_prints_nothing():
    assert Child(f"atexit.register(lambda: 1 / 0){LISTENING}{FOR_EVER}").send(signal.SIGTERM) == (0, "cleared away\n")


def test_a_hanging_atexit_callback_is_abandoned():
    assert (
        Child(f"shutdown.LAST_RESORT = 0.1\natexit.register(time.sleep, 600){LISTENING}{FOR_EVER}").send(
            signal.SIGTERM
        )[0]
        == 0
    )


def test_postponed_blocks_are_finished_first():
    begun = """
shutdown.on_request()
atexit.register(print, "cleared away")
with shutdown.postponed():
    print("ready", flush=True)
    while not shutdown._postponed[-1]:
        time.sleep(0.01)
    print("made")
print("gone on")
"""
    assert Child(begun).send(signal.SIGTERM) == (0, "made\ncleared away\n")


def test_a_closed_terminal_causes_no_error():
    child = Child(f"{LISTENING}sys.stdout.write('for nobody'); {FOR_EVER}")
    child.process.stdout.close()
    child.process.send_signal(signal.SIGHUP)
    assert child.process.wait() == 0


# The app


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs to see what a process has mapped")
@pytest.mark.parametrize("library", ["libtorch_cpu", "_pydantic_core"])
def test_signals_during_an_import(tmp_path, library):
    """Of torch, by a Ctrl-C, and of Gradio, which comes later and brings pydantic."""
    variables = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "HF_HOME": str(tmp_path / "hub")}
    starting = subprocess.Popen(
        [sys.executable, "app.py", "--port", "0", "--model", "embedded"],
        cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=restore_signals,  # noqa: PLW1509 (signals only)
    )  # fmt: skip
    maps = Path(f"/proc/{starting.pid}/maps")
    while library not in maps.read_text():
        assert starting.poll() is None
        time.sleep(0.02)
    assert list(tmp_path.glob(f"{run_directory.PREFIX}*"))
    starting.send_signal(signal.SIGINT)
    starting.send_signal(signal.SIGTERM)
    assert starting.communicate() == ("", None) and starting.returncode == 0
    assert not list(tmp_path.glob(f"{run_directory.PREFIX}*"))


# Everything that can stand in the way of a start: a machine so busy that the first answer takes longer than Gradio
# waits, the variables of a Space, a locale without letters, 64 open files.
SLOW_AT_FIRST = """
import time
from explorer.server.limits import RequestLimits
original, delayed = RequestLimits.__call__, []
async def answer(self, scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/" and not delayed:
        delayed.append(time.sleep(4))
    await original(self, scope, receive, send)
RequestLimits.__call__ = answer
"""
FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))"
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "user/space", "SPACE_HOST": "user-space.hf.space", "GRADIO_NUM_PORTS": "1"}
ODD = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "WEB_CONCURRENCY": "many",
    "GRADIO_DEBUG": "yes",
    "GRADIO_ALLOWED_PATHS": "/",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    with App(
        tmp_path_factory.mktemp("odd") / "home",
        "--model",
        "embedded",
        program=FEW_FILES + changed(SLOW_AT_FIRST),
        **SPACE,
        **ODD,
    ) as app:
        yield app


def test_a_start_under_adverse_conditions(odd):
    assert len(odd.log.splitlines()) == 5 and odd.log.splitlines()[-1] == f"Open {odd.url}/", odd.log
    assert odd.http.get("/config").json()["space_id"] is None, "or the page would ask the platform and a host of fonts"
    assert odd.http.get("/gradio_api/file=/etc/passwd").status_code == 403


def test_few_open_files_are_enough(odd):
    with ExitStack() as ends:
        for _ in range(200):
            ends.enter_context(socket.create_connection(("127.0.0.1", odd.port)))
        assert [httpx.get(f"{odd.url}/config").status_code for _ in range(3)] == [200] * 3
        assert odd.ask("/explain", odd.photo, "embedded", "Grad-CAM", "edges", "jet", "each map")[0] == "complete"
    assert len(odd.log.splitlines()) == 6 and "connections are open" in odd.log, odd.log


def test_listeners_get_an_error_and_do_not_delay_the_end(odd):
    """An audit listened to by a package, two more in the queue behind it, and a page that is open.

    It comes last: the app ends.
    """
    audit = ["embedded", "none", "val", True]
    first = Client(odd.url, verbose=False).submit(*audit, api_name="/audit")
    while first.status().code != Status.PROCESSING:
        assert not first.done()
    paths = [f"/gradio_api/call/audit/{odd.begin('/audit', *audit)}" for _ in range(2)]
    with ExitStack() as ends:
        queued = [ends.enter_context(odd.http.stream("GET", path)) for path in paths]
        ends.enter_context(odd.http.stream("GET", "/gradio_api/heartbeat/page"))
        assert odd.end(signal.SIGHUP) == 0
        for answer in queued:
            kind, data = answer.read().decode().strip().split("\n")
            assert kind == "event: error" and "stopped before this was answered; please ask again" in data
    with pytest.raises(AppError, match="stopped before this was answered; please ask again"):
        first.result()
    assert "Traceback" not in odd.log and not list((odd.home / "gradio").iterdir()), odd.log
