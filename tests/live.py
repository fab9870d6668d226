"""A running app for the tests: `app.py` as its own process on a free loopback port, with a Hub that refuses."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_app(home: Path, *arguments: str, **environment: str):
    """Start app.py, wait until it answers, yield its URL, stop it. `home` takes what it caches and what it prints (app.log)."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{free_port()}",  # nobody listens there
        "HF_HOME": str(home / "hub"),
        "GRADIO_TEMP_DIR": str(home / "gradio"),
        "GRADIO_SERVER_NAME": "127.0.0.1",  # as a Space says where to serve
        "GRADIO_SERVER_PORT": str(port),
        **environment,
    }
    command = [sys.executable, "app.py", *arguments]
    log = home / "app.log"
    with open(log, "w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url, process, log):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"app.py stopped:\n{log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"app.py did not answer:\n{log.read_text()}")
