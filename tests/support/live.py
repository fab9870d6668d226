"""A running app for the tests: `app.py` as its own process on a free loopback port, with a Hub that refuses."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds; generous, for busy machines


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def restore_signals():
    """For a child process: in the background of a shell or under nohup, it would inherit ignored SIGINT and SIGHUP."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def changed(code: str) -> str:
    """A program: the app, with `code` run once its temporary directory exists, before which Gradio is not imported."""
    return f"""
import app
from explorer.server import run_directory
def create(original=run_directory.create):
    original()
    exec({code!r}, {{}})
run_directory.create = create
app.main()
"""


def start(
    home: Path, *arguments: str, program: str = "", port: int = 0, **environment: str
) -> tuple[subprocess.Popen, Path]:
    """app.py, or a program around it, being started; and the file that takes what it prints.

    `home` takes that and what it caches.
    """
    variables = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{free_port()}",  # no server there
        "HF_HOME": str(home / "hub"),
        "GRADIO_TEMP_DIR": str(home / "gradio"),
        "GRADIO_SERVER_NAME": "127.0.0.1",  # as a Space says where to serve
        "GRADIO_SERVER_PORT": str(port),
        **environment,
    }
    log = home / "app.log"
    command = [sys.executable, *(["-c", program] if program else ["app.py"]), *arguments]
    with log.open("w") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=restore_signals,  # noqa: PLW1509 (signals only)
        ), log


def wait_until_served(process, log: Path) -> str:
    """The URL that the app prints once it answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for line in log.read_text().splitlines(keepends=True):
            if line.startswith("Open ") and line.endswith("/\n"):
                return line.removeprefix("Open ").rstrip("/\n")
        if process.poll() is not None:
            raise RuntimeError(f"app.py stopped:\n{log.read_text()}")
        time.sleep(0.05)
    raise TimeoutError(f"app.py did not answer:\n{log.read_text()}")


@contextmanager
def running_app(home: Path, *arguments: str, **environment: str):
    """Start app.py, wait until it answers, yield its URL, stop it."""
    process, log = start(home, *arguments, **environment)
    try:
        yield wait_until_served(process, log)
    finally:
        process.terminate()
        process.wait(PATIENCE)
