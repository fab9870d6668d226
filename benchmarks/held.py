"""Memory that refused or abandoned requests leave allocated in the server.

    python -m benchmarks.held [queue] [events] [refused] [unread]

Without a name, all. Each prints one line: what was sent, how it was answered, and the server's resident memory before,
at most, and five seconds after.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

from tests.support.app_process import App

CALLERS = 8
REFUSED = ["embedded", "CAM", "edges", "jet", "each map"]  # a method that this model's head does not allow
VALID = ["embedded", "Grad-CAM", "edges", "jet", "each map"]
AUDIT = ["embedded", "none", "both", True]
JSON = {"Content-Type": "application/json"}


class Memory:
    """The resident memory of a process in MB: at the start, at most, and at the end."""

    def __init__(self, app):
        self._status = Path(f"/proc/{app.process.pid}/status")
        self._stop = Event()

    def __enter__(self):
        self.before = self.most = self._now()
        self._sampler = Thread(target=self._sample)
        self._sampler.start()
        return self

    def __exit__(self, *_):
        time.sleep(5)  # freed memory is returned to the kernel every two seconds
        self._stop.set()
        self._sampler.join()
        self.after = self._now()

    def __str__(self):
        change = self.after - self.before
        return f"{self.before:.0f} MB before, at most {self.most:.0f}, {self.after:.0f} after: {change:+.0f} MB"

    def _now(self):
        return int(self._status.read_text().split("VmRSS:")[1].split()[0]) / 1000

    def _sample(self):
        while not self._stop.wait(0.05):
            self.most = max(self.most, self._now())


def queue(app):
    """Six messages of 2 MB for an endpoint that is busy."""
    event = app.begin("/audit", *AUDIT)
    with app.http.stream("GET", f"/gradio_api/call/audit/{event}"):
        time.sleep(1)
        message = json.dumps({"data": [[{}] * 666_000]}, separators=(",", ":")).encode()
        with Memory(app) as memory:
            answers = Counter(
                app.http.post("/gradio_api/call/audit", content=message, headers=JSON).status_code for _ in range(6)
            )
    print(f"six messages of {len(message) / 1e6:.1f} MB into the queue: {dict(answers)}; {memory}", flush=True)


def events(app):
    """96 invalid drawings, each from a session of its own."""
    functions = app.http.get("/config").json()["dependencies"]
    drawing_event = next(
        fn["id"]
        for fn in functions
        if not fn["queue"] and fn["targets"] and fn["targets"][0][1] == "select" and len(fn["outputs"]) == 2
    )

    def send(number):
        drawn = {"photo": "a", "picture": [{}] * 245_000}
        body = {"data": [], "fn_index": drawing_event, "session_hash": f"caller{number}", "event_data": drawn}
        return app.http.post(
            "/gradio_api/run/predict", content=json.dumps(body, separators=(",", ":")), headers=JSON
        ).status_code

    with Memory(app) as memory:
        answers = Counter(send(number) for number in range(96))
    print(f"96 messages with 0.7 MB of event data: {dict(answers)}; {memory}", flush=True)


def refused(app):
    """200 refused requests from concurrent callers."""
    photo = app.photo
    for values in (VALID, REFUSED):
        for _ in range(4):
            app.ask("/explain", photo, *values)
    with Memory(app) as memory, ThreadPoolExecutor(CALLERS) as pool:
        answers = Counter(pool.map(lambda _: str(app.ask("/explain", photo, *REFUSED))[:80], range(200)))
    print(f"200 refused questions: {dict(answers)}; {memory}", flush=True)


def unread(app):
    """65 audits whose results nobody reads, then a visitor."""
    with Memory(app) as memory:
        answers = Counter(app.http.post("/gradio_api/call/audit", json={"data": AUDIT}).status_code for _ in range(65))
        visitor = {}
        for endpoint, values in (("/models", []), ("/explain", [app.photo, *VALID])):
            begun = time.perf_counter()
            response = app.http.post(f"/gradio_api/call{endpoint}", json={"data": values})
            accepted, body = response.status_code == 200, response.json()
            kind = app.answer(endpoint, body["event_id"])[0] if accepted else body["detail"]
            visitor[endpoint] = f"{response.status_code}, {kind}, {time.perf_counter() - begun:.2f} s"
    print(f"65 audits that nobody reads: {dict(answers)}; then {visitor}; {memory}", flush=True)


CASES = {case.__name__: case for case in (queue, events, refused, unread)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="case", help=f"of {', '.join(CASES)}; all by default")
    for name in parser.parse_args().names or CASES:
        with tempfile.TemporaryDirectory() as home, App(Path(home) / "home", "--model", "embedded") as app:
            app.ask("/explain", app.photo, *VALID)
            CASES[name](app)


if __name__ == "__main__":
    main()
