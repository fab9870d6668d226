"""The app as a process of its own that a test may kill, called over plain HTTP."""

import json
import os
import signal
from pathlib import Path

import httpx

from explorer.photos import examples
from tests.support.live import PATIENCE, start, wait_until_served

STORY = examples.embedded().story.file


def files_in(folder: Path) -> set[Path]:
    """Every file below a folder. An app may delete folders meanwhile, at which `Path.rglob` raises."""
    return {Path(place, name) for place, _, names in os.walk(folder) for name in names}


class App:
    """app.py as a process. `log` is its output."""

    def __init__(self, home: Path, *arguments: str, **options):
        """`options`: see `live.start`."""
        home.mkdir(exist_ok=True)
        self.home = home
        self.process, self._log = start(home, *arguments, **options)
        try:
            self.url = wait_until_served(self.process, self._log)
        except BaseException:
            self.kill()
            raise
        self.port = int(self.url.rpartition(":")[2])
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE)

    @property
    def log(self):
        return self._log.read_text()

    @property
    def photo(self):
        """The story photo, uploaded, as an argument of a call."""
        (path,) = (
            self.http.post("/gradio_api/upload", files={"files": ("photo.jpg", STORY.read_bytes())})
            .raise_for_status()
            .json()
        )
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def begin(self, endpoint, *values) -> str:
        """Start a call; returns its event id."""
        return (
            self.http.post(f"/gradio_api/call{endpoint}", json={"data": values}).raise_for_status().json()["event_id"]
        )

    def answer(self, endpoint, event):
        stream = self.http.get(f"/gradio_api/call{endpoint}/{event}").text
        kind, data = stream.strip().split("\n\n")[-1].split("\n", 1)
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def ask(self, endpoint, *values):
        """("complete", outputs) or ("error", sentence)."""
        return self.answer(endpoint, self.begin(endpoint, *values))

    def end(self, number=signal.SIGTERM) -> int:
        """Send a signal; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
