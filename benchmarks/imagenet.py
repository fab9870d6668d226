"""What `imagenet` costs in the app: its grid, /explain against a bare forward, and the server's memory.

    python -m benchmarks.imagenet [--rounds 15]

The grid is five classes and the mixture at four layers and all layers together, as shades for the page. Every round
explains a photo that is new to the service; contenders take turns, so that other load affects all alike.
"""

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

import classifiers
from classifiers.photos.decode import read_photo
from explorer.explanation.grid import shaded
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import EMBEDDED
from explorer.settings import View
from explorer.tabs.explain.view import matrix
from tests.support.live import start, wait_until_served

from .rounds import describe_device, time_once

COFFEE = EMBEDDED / "real/coffee.jpg"
ARGUMENTS = ["imagenet", "Grad-CAM", "edges", "jet", "each map"]


def new_photo(number: int) -> np.ndarray:
    """The coffee with another small square in its middle: the same work, never the same photo, also once shrunk."""
    photo = read_photo(COFFEE).pixels.copy()
    top, left = photo.shape[0] // 2, photo.shape[1] // 2
    photo[top : top + 16, left : left + 16] = number % 256, number // 256, 7
    return photo


def grid(service, model, number):
    """As the page is sent it: explained, shaded, drawn as HTML."""
    frame = model.preprocessing.frame(new_photo(number))
    explained = service.explain_frame(frame, "imagenet", "Grad-CAM")
    return matrix(explained, shaded(explained, View()), View())


def bare_forward(model):
    images = model.input_of(new_photo(0))
    with torch.inference_mode():
        return model.network(images)


def resident_mb(pid: int) -> float:
    with Path(f"/proc/{pid}/status").open(encoding="utf-8") as status:
        return next(int(line.split()[1]) / 1000 for line in status if line.startswith("VmRSS"))


def through_the_server(url, number):
    """/explain of an uploaded photo: seconds from the upload to the answer."""
    file = io.BytesIO()
    Image.fromarray(new_photo(1000 + number)).save(file, "PNG")
    with httpx.Client(base_url=url, timeout=120) as client:
        started = time.perf_counter()
        path = client.post("/gradio_api/upload", files={"files": ("p.png", file.getvalue())}).json()[0]
        data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, *ARGUMENTS]
        event = client.post("/gradio_api/call/explain", json={"data": data}).json()["event_id"]
        answer = client.get(f"/gradio_api/call/explain/{event}").text
        assert "event: complete" in answer, answer[:300]
        return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(describe_device("cpu"))
    model, service = classifiers.load("imagenet"), ExplanationService()
    home = tempfile.TemporaryDirectory()
    process, log = start(Path(home.name), "--model", "embedded")
    try:
        url = wait_until_served(process, log)
        before = resident_mb(process.pid)
        through_the_server(url, 0)
        after_one = resident_mb(process.pid)
        grid(service, model, 0), bare_forward(model)
        times = {"forward": [], "grid": [], "/explain": []}
        for number in range(1, rounds + 1):
            times["forward"].append(time_once(lambda: bare_forward(model)))
            times["grid"].append(time_once(lambda number=number: grid(service, model, number)))
            times["/explain"].append(1000 * through_the_server(url, number))
        after = resident_mb(process.pid)
    finally:
        process.terminate()
        process.wait()
        home.cleanup()
    forward = statistics.median(times["forward"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:10} {middle:7.0f} ms, {middle / forward:5.1f} × a bare forward, most {max(values):.0f} ms")
    print(f"server: {before:.0f} MB before imagenet is asked, {after_one:.0f} after, {after:.0f} after {rounds + 1}")


if __name__ == "__main__":
    main()
