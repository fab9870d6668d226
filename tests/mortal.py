"""The app as a process that a test may kill, asked over plain HTTP as curl would."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from live import ROOT, _wait_for, free_port

from explorer import examples

STORY = examples.embedded().story.file


def hears_interrupts():
    """What a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class App:
    """app.py as a process of its own that a test may kill. `log` is what it printed."""

    def __init__(self, home: Path, *arguments: str, program: str = "", port: int | None = None, **environment: str):
        home.mkdir(exist_ok=True)
        self.home, self.port, self._log = home, port or free_port(), home / "app.log"
        self.url = f"http://127.0.0.1:{self.port}"
        variables = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{free_port()}",  # nobody listens there
            "HF_HOME": str(home / "hub"),
            "GRADIO_TEMP_DIR": str(home / "gradio"),
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(self.port),
            **environment,
        }
        told = ["-c", program] if program else ["app.py"]
        with open(self._log, "w") as output:
            self.process = subprocess.Popen([sys.executable, *told, *arguments], cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT, preexec_fn=hears_interrupts)
        _wait_for(self.url, self.process, self._log)
        self.http = httpx.Client(base_url=self.url, timeout=120)

    @property
    def log(self):
        return self._log.read_text()

    @property
    def photo(self):
        """The story's photo, uploaded, as it is named in a call."""
        (path,) = self.http.post("/gradio_api/upload", files={"files": ("photo.jpg", STORY.read_bytes())}).raise_for_status().json()
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def begin(self, endpoint, *values) -> str:
        """Ask, and get the number under which the answer can be had."""
        return self.http.post(f"/gradio_api/call{endpoint}", json={"data": values}).raise_for_status().json()["event_id"]

    def answer(self, endpoint, event):
        told = self.http.get(f"/gradio_api/call{endpoint}/{event}").text
        kind, data = told.strip().split("\n\n")[-1].split("\n", 1)
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def ask(self, endpoint, *values):
        """("complete", outputs) or ("error", what is told)."""
        return self.answer(endpoint, self.begin(endpoint, *values))

    def end(self, how=signal.SIGTERM) -> int:
        """Its exit status."""
        self.process.send_signal(how)
        return self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
