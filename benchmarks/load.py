"""Load test: correctness and latency of answers to concurrent callers, and the server's memory over time.

    python -m benchmarks.load [--callers 16] [--seconds 60]     callers without pauses, then more than the queue's limit
    python -m benchmarks.load --seconds 300                     a soak test: memory from its first minute to its last
    python -m benchmarks.load --callers 10 --seconds 35 --pictures   /what_if on the same few photos, byte for byte

A first server answers every request once, one after another. A second one, with an empty cache, then answers all
callers; each of its answers is compared with the first server's, numbers and heatmaps bit for bit. Half of the requests
are about the shown examples, as visitors' are, half about photos that nobody has sent before.
"""

import argparse
import asyncio
import io
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from explorer.photos.examples import EMBEDDED
from explorer.server.errors import BUSY
from explorer.server.launch import QUEUE_LENGTH
from tests.support.live import running_app

SHOWN = 10  # examples shown on the page
KNOWN = 0.5  # share of requests about one of them
EVIDENCE = 0.2  # share of requests for the raw heatmaps
CROWD = 3 * QUEUE_LENGTH


@dataclass(frozen=True)
class Request:
    photo: bytes  # PNG
    endpoint: str

    @property
    def settings(self):
        return ["embedded", "Grad-CAM", *(["edges", "jet", "each map"] if self.endpoint == "explain" else [])]


@dataclass
class Results:
    """Latencies and outcomes of all callers."""

    times: list[float] = field(default_factory=list)  # seconds from the request to the whole answer
    outcomes: Counter = field(default_factory=Counter)


def photos(count, seed=0):
    """PNG files: the shown examples first, then photos that nobody has sent: examples with some pixels changed."""
    files = sorted((EMBEDDED / "test").glob("*.jpg")) + sorted((EMBEDDED / "val").glob("*.jpg"))
    rng = np.random.default_rng(seed)
    for number in range(count):
        pixels = np.array(Image.open(files[number % len(files)]))
        if number >= SHOWN:
            pixels[:8, :8] = rng.integers(0, 256, (8, 8, 3))
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        yield file.getvalue()


async def send(http, request):
    """Seconds, and the whole answer in a form that can be compared, or the error's sentence."""
    upload = await http.post("/gradio_api/upload", files={"files": ("photo.png", request.photo)})
    image = {"path": upload.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}
    started = time.perf_counter()
    event = await http.post(f"/gradio_api/call/{request.endpoint}", json={"data": [image, *request.settings]})
    if event.status_code == 429:
        return time.perf_counter() - started, event.json()["detail"]
    stream = await http.get(f"/gradio_api/call/{request.endpoint}/{event.raise_for_status().json()['event_id']}")
    seconds = time.perf_counter() - started
    kind, _, rest = stream.text.rpartition("event: ")[2].partition("\n")
    data = json.loads(rest.partition("data: ")[2].splitlines()[0])
    if kind != "complete":
        return seconds, str(data)
    if request.endpoint == "explain":
        return seconds, json.dumps(data[1])
    maps = np.load(io.BytesIO((await http.get(data[0]["url"])).raise_for_status().content))
    return seconds, b"".join(maps[name].tobytes() for name in ("heatmaps", "logits"))


def outcome(answer, expected):
    if answer == expected:
        return "right"
    return "busy" if BUSY in str(answer) else f"wrong: {str(answer)[:80]}"


async def caller(http, requests, expected, until, results, rng):
    while time.monotonic() < until:
        known = rng.random() < KNOWN
        index = rng.randrange(SHOWN) if known else rng.randrange(SHOWN, len(requests) // 2)
        request = requests[2 * index + (rng.random() < EVIDENCE)]
        seconds, answer = await send(http, request)
        results.times.append(seconds)
        results.outcomes[outcome(answer, expected[request])] += 1


async def send_what_if(http, photo):
    """The bytes of the three pictures of /what_if, or the error's sentence."""
    upload = await http.post("/gradio_api/upload", files={"files": ("photo.png", photo)})
    image = {"path": upload.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}
    settings = ["embedded", "Grad-CAM", "hottest", 20, "predicted", "conv3", "repaint", "#ff0000"]
    event = await http.post("/gradio_api/call/what_if", json={"data": [image, *settings, None]})
    stream = await http.get(f"/gradio_api/call/what_if/{event.raise_for_status().json()['event_id']}")
    kind, _, rest = stream.text.rpartition("event: ")[2].partition("\n")
    data = json.loads(rest.partition("data: ")[2].splitlines()[0])
    if kind != "complete":
        return str(data)
    files = [data[0], *(cell["image"] for cell in data[1])]
    return tuple([(await http.get(file["url"])).raise_for_status().content for file in files])


async def check_pictures(args):
    """Concurrent callers of the same pictures: each must be complete, and the same as when one caller asked alone."""
    few = list(photos(4))
    async with server() as (http, _, _):
        expected = {photo: await send_what_if(http, photo) for photo in few}
    outcomes, until = Counter(), time.monotonic() + args.seconds

    async def picture_caller(http):
        while time.monotonic() < until:
            for photo in few:
                answer = await send_what_if(http, photo)
                outcomes["as when asked alone" if answer == expected[photo] else "other"] += 1

    async with server() as (http, _, _):
        await asyncio.gather(*(picture_caller(http) for _ in range(args.callers)))
    each = {len(answer) for answer in expected.values()}
    print(f"{args.callers} callers of /what_if, {args.seconds} s, {each} pictures an answer: {dict(outcomes)}")


async def crowd(http, requests, expected):
    """All requests at once, more than the queue admits."""
    answers = await asyncio.gather(*(send(http, request) for request in requests))
    return Counter(outcome(answer, expected[request]) for request, (_, answer) in zip(requests, answers))


def server_process(home):
    """The /proc folder of the app whose cache is in `home`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"GRADIO_TEMP_DIR={home}/".encode() in (process / "environ").read_bytes()
            if ours and b"app.py" in (process / "cmdline").read_bytes():
                return process
        except OSError:
            continue
    raise RuntimeError("the app's process was not found")


def measure(process, home):
    """Resident memory in MB, threads, files in the cache."""
    lines = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="utf-8").splitlines())
    files = sum(len(names) for _, _, names in os.walk(home / "gradio"))
    return int(lines["VmRSS"].split()[0]) / 1000, int(lines["Threads"]), files


async def watch(process, home, seconds):
    """The server's size, every second: memory is returned every ten, and slower sampling would alias with that."""
    started, samples = time.monotonic(), []
    while time.monotonic() - started < seconds:
        await asyncio.sleep(1)
        samples.append((time.monotonic() - started, *measure(process, home)))
        if len(samples) % 20 == 0:
            print("  after {:3.0f} s: {:5.0f} MB, {} threads, {} files".format(*samples[-1]), flush=True)
    return samples


@asynccontextmanager
async def server():
    with tempfile.TemporaryDirectory() as home, running_app(Path(home), "--model", "embedded") as url:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as http:
            yield http, server_process(home), Path(home)


async def check_answers(args):
    """Callers without pauses, each answer compared with that of an unloaded server; then a crowd."""
    requests = [Request(photo, endpoint) for photo in photos(args.photos) for endpoint in ("explain", "heatmaps")]
    async with server() as (http, _, _):
        one_by_one = [await send(http, request) for request in requests]
    expected = {request: answer for request, (_, answer) in zip(requests, one_by_one)}
    alone = [seconds for request, (seconds, _) in zip(requests, one_by_one) if request.endpoint == "explain"][SHOWN:]
    median = 1000 * statistics.median(alone)
    print(f"one caller alone: /explain {median:.0f} ms, median of {len(alone)} new photos", flush=True)

    async with server() as (http, process, home):
        results, until = Results(), time.monotonic() + args.seconds
        generators = [random.Random(number) for number in range(args.callers)]
        watching = asyncio.create_task(watch(process, home, args.seconds))
        await asyncio.gather(*(caller(http, requests, expected, until, results, rng) for rng in generators))
        report(results, await watching, args)
        many = [request for request in requests if request.endpoint == "explain"][:CROWD]
        outcomes = await crowd(http, many, expected)
        print(f"{len(many)} at once, where {QUEUE_LENGTH} may wait: {dict(outcomes)}")


def report(results, samples, args):
    """Outcomes, latencies, and memory of the first and the last minute."""
    times = sorted(results.times)
    p50, p95, worst = (1000 * times[int(part * (len(times) - 1))] for part in (0.5, 0.95, 1))
    pace = len(times) / args.seconds
    print(f"{args.callers} callers, {args.seconds} s: {dict(results.outcomes)}, {pace:.1f} a second")
    print(f"  half within {p50:.0f} ms, 95 % within {p95:.0f} ms, all within {worst:.0f} ms")
    first = [memory for after, memory, *_ in samples if after <= 60]
    last = [memory for after, memory, *_ in samples if after > args.seconds - 60]
    for name, of in (("in the middle", statistics.median), ("at most", max)):
        growth = 100 * (of(last) / of(first) - 1)
        print(
            f"  memory: {name} {of(first):.0f} MB in the first minute, {of(last):.0f} MB in the last: {growth:+.1f} %"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--photos", type=int, default=CROWD)
    args = parser.parse_args()
    asyncio.run((check_pictures if args.pictures else check_answers)(args))


if __name__ == "__main__":
    main()
