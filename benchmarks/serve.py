"""The server against the module: what a caller of /explain waits for beyond the work itself, on the embedded model, warm; and how long a start takes.

    python benchmarks/serve.py [--photos 20] [--starts 3]

Every request brings a photo that the server has not seen, so none is answered from its memory. The module's own work is
all that gradcam does for the same answer: five targets at three layers, their combination, the edges, twenty colourings.
A start is held against importing torch and gradio alone. First paint is what a browser of its own, with nothing in its cache, needs from asking
for the page to the story's heatmaps on it, once the server has said that it is open.
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
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from live import running_app  # noqa: E402

import potplants  # noqa: E402
from explorer.photos.examples import EMBEDDED  # noqa: E402
from explorer.server.allocator import keep_freed_memory  # noqa: E402
from gradcam import Explainer, combine_rescaled, edge_map, overlay  # noqa: E402
from potplants.dataset import as_input  # noqa: E402

TARGETS = [0, 1, 2, 3, "mixture"]


def distinct_photos(count):
    """The story's photo with another corner pixel each time: same work, never the same photo."""
    story = np.array(Image.open(EMBEDDED / "test/0_000.jpg"))
    for number in range(count):
        photo = story.copy()
        photo[0, 0] = (number, 255 - number, number // 2)
        yield photo


def module_time(explainer, photo):
    started = time.perf_counter()
    heatmaps = explainer.explain(as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None], TARGETS).heatmaps[0]
    edges = edge_map(photo)
    overlay(edges, heatmaps)
    overlay(edges, combine_rescaled(heatmaps))
    return time.perf_counter() - started


def upload(http, photo):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return http.post("/gradio_api/upload", files={"files": ("photo.png", file.getvalue())}).raise_for_status().json()[0]


def request_time(http, path):
    """Seconds from asking to the complete answer."""
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    started = time.perf_counter()
    event = http.post(
        "/gradio_api/call/explain", json={"data": [image, "embedded", "Grad-CAM", "edges", "jet", "each map"]}
    ).raise_for_status()
    answer = http.get(f"/gradio_api/call/explain/{event.json()['event_id']}").raise_for_status().text
    seconds = time.perf_counter() - started
    gallery, report = json.loads(answer.split("data: ", 1)[1].splitlines()[0])
    assert len(gallery) == 20 and report["predicted"] in potplants.CLASSES
    return seconds


def import_time(modules):
    """Seconds that a fresh Python needs for them."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True, cwd=ROOT)
    return time.perf_counter() - started


def paint_time():
    """Seconds from the open server to the heatmaps in a new browser."""
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
    """Medians, one of each a round."""
    times = [
        (import_time("torch, gradio"), import_time("explorer.page"), start_time(), paint_time()) for _ in range(rounds)
    ]
    bare, own, start, paint = map(statistics.median, zip(*times))
    print(
        f"importing torch and gradio {bare:.1f} s, the app's modules {own:.1f} s, started and answering after {start:.1f} s: {start / bare:.2f} ×"
    )
    print(f"first paint of the heatmaps, nothing cached: {paint:.1f} s after the server is open")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--starts", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()  # as the app does for itself
    model = potplants.MODELS["embedded"]
    explainer = Explainer(potplants.load("embedded"), model.layers)
    with (
        tempfile.TemporaryDirectory() as home,
        running_app(Path(home)) as url,
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        own, served = [], []
        for photo in distinct_photos(options.photos):
            path = upload(http, photo)
            own.append(module_time(explainer, photo))
            served.append(request_time(http, path))
    own, served = (statistics.median(times[2:]) * 1000 for times in (own, served))  # the first two warm up
    print(
        f"the module {own:.0f} ms, /explain {served:.0f} ms: {served / own:.2f} ×, medians of {options.photos - 2} photos"
    )
    if options.starts:
        starts(options.starts)


if __name__ == "__main__":
    main()
