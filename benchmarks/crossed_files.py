"""Count the project's files whose functions run while /explain answers for a new photo.

    python -m benchmarks.crossed_files [--photos 5] [--functions]

Serves the app in this process, asks about some photos first (so that nothing which only a first request runs is
counted), then asks about new ones with a profiler in every thread. A file counts if one of its functions runs for each
of these photos: what a clock starts, such as handing freed memory back every two seconds, does not count. Two figures:
the request itself, and the upload before it. Files of the working directory count, tests and benchmarks do not. Another
checkout is counted by starting there: `PYTHONPATH=. python PATH/TO/crossed_files.py`.
"""

import argparse
import dis
import functools
import io
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

ROOT = Path.cwd()
NOT_COUNTED = {"tests", "benchmarks", ".venv"}  # folders
WARM_UP = 4  # photos; the server's threads are all started by then
VALUES = ["embedded", "Grad-CAM", "edges", "jet", "each map"]

Functions = dict[str, dict[str, None]]  # file → its functions, both in the order of their first call


class Recorder:
    """Records the functions of this project that are called in any thread while `active`."""

    def __init__(self):
        self.active = False
        self.functions: Functions = {}

    def __call__(self, frame, event, argument):
        if self.active and event == "call":
            file = project_file(frame.f_code.co_filename)
            if file and not is_resumed(frame):
                self.functions.setdefault(file, {})[frame.f_code.co_qualname] = None

    def take(self, work, *arguments):
        """The result of `work`, and the functions that ran meanwhile."""
        self.functions, self.active = {}, True
        try:
            return work(*arguments), self.functions
        finally:
            self.active = False


def is_resumed(frame):
    """Whether a coroutine or generator goes on, such as the server's own loop, rather than starts."""
    instruction, argument = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
    return instruction == dis.opmap["RESUME"] and argument & 3 != 0


@functools.cache
def project_file(name):
    """The path of a source file inside the repository, or "" for any other."""
    path = Path(name)
    if not path.is_absolute() or not path.is_relative_to(ROOT):
        return ""
    inside = path.relative_to(ROOT)
    return "" if NOT_COUNTED & set(inside.parts) else str(inside)


def new_photos(count):
    """The story's photo with another corner pixel each time: the same work, never the same photo."""
    story = np.array(Image.open(ROOT / "examples/test/0_000.jpg"))
    for number in range(count):
        story[0, 0] = (number, 255 - number, number // 2)
        file = io.BytesIO()
        Image.fromarray(story).save(file, "PNG")
        yield file.getvalue()


def upload(http, photo):
    return http.post("/gradio_api/upload", files={"files": ("photo.png", photo)}).raise_for_status().json()[0]


def explain(http, path):
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event = http.post("/gradio_api/call/explain", json={"data": [image, *VALUES]}).raise_for_status().json()
    answer = http.get(f"/gradio_api/call/explain/{event['event_id']}").raise_for_status().text
    gallery, _ = json.loads(answer.split("data: ", 1)[1].splitlines()[0])
    assert len(gallery) == 20


def in_all(runs: list[Functions]) -> Functions:
    """The files that every run went through, in the order of the first, with all their functions."""
    files = [file for file in runs[0] if all(file in run for run in runs)]
    return {file: {name: None for run in runs for name in run[file]} for file in files}


def measure(recorder, url, photos):
    """Files of the uploads, and files of the requests."""
    uploads, requests = [], []
    with httpx.Client(base_url=url, timeout=120) as http:
        for number, photo in enumerate(new_photos(WARM_UP + photos)):
            path, uploaded = recorder.take(upload, http, photo)
            _, explained = recorder.take(explain, http, path)
            if number >= WARM_UP:
                uploads.append(uploaded)
                requests.append(explained)
    return in_all(uploads), in_all(requests)


def report(uploaded, explained, with_functions):
    for title, functions in (("/explain", explained), ("the upload before it", uploaded)):
        print(f"{title}: {len(functions)} files")
        for file, names in functions.items():
            print(f"  {file}" + (f": {', '.join(names)}" if with_functions else ""))
    print(f"together: {len({**uploaded, **explained})} files")


def wait_for(port):
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("the app does not answer")


def ask_and_stop(recorder, port, options):
    """In a thread beside the app, which ends as if by SIGTERM."""
    try:
        wait_for(port)
        report(*measure(recorder, f"http://127.0.0.1:{port}", options.photos), options.functions)
        sys.stdout.flush()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=5)
    parser.add_argument("--functions", action="store_true", help="name the functions of each file too")
    options = parser.parse_args()
    recorder, port = Recorder(), free_port()
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(GRADIO_TEMP_DIR=f"{home}/gradio", HF_HOME=f"{home}/hub", HF_HUB_OFFLINE="1")
        asking = threading.Thread(target=ask_and_stop, args=(recorder, port, options), daemon=True)
        asking.start()  # before the profiler is set: it only speaks HTTP
        threading.setprofile(recorder)
        sys.setprofile(recorder)
        sys.argv = ["app.py", "--port", str(port), "--host", "127.0.0.1", "--model", "embedded", "--device", "cpu"]
        import app

        app.main()


if __name__ == "__main__":
    main()
