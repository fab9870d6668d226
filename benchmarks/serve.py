"""Overhead of the server: /explain against gradcam's own work, on the embedded model, warm; and the time of a start.

    python -m benchmarks.serve [--photos 20] [--starts 3]

Every request brings a photo that is new to the server, so none is answered from its cache. The module's own work is all
that gradcam does for the same answer: five targets at three layers, their combination, edges, twenty colour mappings.
A start is compared with importing torch and gradio alone. First paint: the time that a new browser with an empty cache
needs from requesting the page to the first example's heatmaps on it, once the server has said that it is open.
"""

import argparse
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

import potplants
from benchmarks.load import server_process
from explorer.photos.examples import EMBEDDED
from gradcam import Explainer, combine_rescaled, edge_map, overlay
from gradcam.allocator import keep_freed_memory
from potplants.dataset import as_input
from tests.support.live import running_app

ROOT = Path(__file__).parent.parent
TARGETS = [0, 1, 2, 3, "mixture"]
APPS_MODULES = (
    "from explorer.server import lean_gradio; lean_gradio.skip_interface_files(); import explorer.page"  # as app.py
)


def distinct_photos(count):
    """The first example with a different corner pixel each time: same work, never the same photo."""
    first = np.array(Image.open(EMBEDDED / "test/0_000.jpg"))
    for number in range(count):
        photo = first.copy()
        photo[0, 0] = (number, 255 - number, number // 2)
        yield photo


def explain(explainer, photo):
    heatmaps = explainer.explain(as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None], TARGETS).heatmaps[0]
    edges = edge_map(photo)
    overlay(edges, heatmaps)
    overlay(edges, combine_rescaled(heatmaps))


def forward(network, photo):
    with torch.no_grad():
        network(as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None])


def timed(work, clock):
    """Seconds that the work takes, and seconds of processor time by the clock."""
    started, used = time.perf_counter(), time.clock_gettime(clock)
    work()
    return time.perf_counter() - started, time.clock_gettime(clock) - used


def upload(http, photo):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return http.post("/gradio_api/upload", files={"files": ("photo.png", file.getvalue())}).raise_for_status().json()[0]


def request(http, path):
    """From the request to the complete answer."""
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event = http.post(
        "/gradio_api/call/explain", json={"data": [image, "embedded", "Grad-CAM", "edges", "jet", "each map"]}
    ).raise_for_status()
    answer = http.get(f"/gradio_api/call/explain/{event.json()['event_id']}").raise_for_status().text
    gallery, report = json.loads(answer.split("data: ", 1)[1].splitlines()[0])
    assert len(gallery) == 20
    assert report["predicted"] in potplants.CLASSES


def import_time(code):
    """Seconds that a new Python process needs to run it."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    return time.perf_counter() - started


def paint_time():
    """Seconds from requesting the page to the heatmaps, in a new browser."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, running_app(Path(home)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_selector("#grid img:visible")
        return time.perf_counter() - started


def start_time():
    """Seconds from starting app.py to its first answer."""
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        with running_app(Path(home), "--model", "embedded"):
            return time.perf_counter() - started


def starts(rounds):
    """Medians over rounds that measure each time once."""
    times = [
        (import_time("import torch, gradio"), import_time(APPS_MODULES), start_time(), paint_time())
        for _ in range(rounds)
    ]
    bare, app, start, paint = map(statistics.median, zip(*times))
    print(
        f"importing torch and gradio {bare:.1f} s, the app's modules {app:.1f} s, "
        f"started and answering after {start:.1f} s: {start / bare:.2f} ×"
    )
    print(f"first paint of the heatmaps, nothing cached: {paint:.1f} s after the server is open")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--starts", type=int, default=3)
    args = parser.parse_args()
    warm(args.photos)
    if args.starts:
        starts(args.starts)


def warm(count):
    """A bare forward, the module and /explain about the same new photos, taking turns."""
    keep_freed_memory()  # as the app does for itself
    network = potplants.load("embedded")
    explainer = Explainer(network, potplants.MODELS["embedded"].layers)
    times = {"a bare forward": [], "the module": [], "/explain": []}
    with (
        tempfile.TemporaryDirectory() as home,
        running_app(Path(home)) as url,
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        server = ~int(server_process(Path(home)).name) << 3 | 2  # Linux's clock of that process's processor time
        for photo in distinct_photos(count):
            path = upload(http, photo)
            times["a bare forward"].append(timed(partial(forward, network, photo), time.CLOCK_PROCESS_CPUTIME_ID))
            times["the module"].append(timed(partial(explain, explainer, photo), time.CLOCK_PROCESS_CPUTIME_ID))
            times["/explain"].append(timed(partial(request, http, path), server))
    for kind, (one, module, answer) in zip(("passed", "of processors"), zip(*map(medians, times.values()))):
        print(
            f"time {kind}: a bare forward {one:.1f} ms, the module {module:.0f}, /explain {answer:.0f}: "
            f"{answer / module:.2f} ×, {(answer - module) / one:.1f} forwards more; medians of {count - 2} photos"
        )


def medians(times):
    """Of time passed and processor time, in ms; the first two photos warm up."""
    return [1000 * statistics.median(column) for column in zip(*times[2:])]


if __name__ == "__main__":
    main()
