"""Many callers at once: is every answer right, how long does it take, and does the server stay the size it was?

    python benchmarks/load.py [--callers 16] [--seconds 60]     callers that ask without a pause, then a crowd past the queue's limit
    python benchmarks/load.py --seconds 300                     a soak: memory from its first minute to its last
    python benchmarks/load.py --callers 10 --seconds 35 --pictures   /what_if, all about the same few photos: every picture, byte for byte

A first server answers every question once, one after another. A second one, which has seen none of them, then answers all callers; each of its
answers is held against the first server's, numbers and heatmaps bit for bit. Half of the questions are about the story's photos, as visitors' are,
half about photos that nobody has sent before.
"""

import argparse
import asyncio
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from live import running_app  # noqa: E402

from explorer.photos.examples import EMBEDDED  # noqa: E402
from explorer.server.errors import BUSY  # noqa: E402
from explorer.server.launch import QUEUE_LENGTH  # noqa: E402

SHOWN, KNOWN, EVIDENCE = (
    10,
    0.5,
    0.2,
)  # story photos; how often one of them is asked about; how often the raw heatmaps are wanted
CROWD = 3 * QUEUE_LENGTH


@dataclass(frozen=True)
class Question:
    photo: bytes  # PNG
    endpoint: str

    @property
    def settings(self):
        return ["embedded", "Grad-CAM", *(["edges", "jet", "each map"] if self.endpoint == "explain" else [])]


@dataclass
class Told:
    """What the callers found."""

    times: list[float] = field(default_factory=list)  # seconds from asking to the whole answer
    ends: Counter = field(default_factory=Counter)


def photos(count, seed=0):
    """PNG files: the story's first, then as many that nobody has sent, each the story's with pixels of its own."""
    files = sorted((EMBEDDED / "test").glob("*.jpg")) + sorted((EMBEDDED / "val").glob("*.jpg"))
    dice = np.random.default_rng(seed)
    for number in range(count):
        pixels = np.array(Image.open(files[number % len(files)]))
        if number >= SHOWN:
            pixels[:8, :8] = dice.integers(0, 256, (8, 8, 3))
        packed = io.BytesIO()
        Image.fromarray(pixels).save(packed, "PNG")
        yield packed.getvalue()


async def ask(http, question):
    """The whole answer in words that can be compared, or the error's sentence."""
    sent = await http.post("/gradio_api/upload", files={"files": ("photo.png", question.photo)})
    image = {"path": sent.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}
    started = time.perf_counter()
    event = await http.post(f"/gradio_api/call/{question.endpoint}", json={"data": [image, *question.settings]})
    if event.status_code == 429:
        return time.perf_counter() - started, event.json()["detail"]
    heard = await http.get(f"/gradio_api/call/{question.endpoint}/{event.raise_for_status().json()['event_id']}")
    seconds = time.perf_counter() - started
    kind, _, rest = heard.text.rpartition("event: ")[2].partition("\n")
    data = json.loads(rest.partition("data: ")[2].splitlines()[0])
    if kind != "complete":
        return seconds, str(data)
    if question.endpoint == "explain":
        return seconds, json.dumps(data[1])
    maps = np.load(io.BytesIO((await http.get(data[0]["url"])).raise_for_status().content))
    return seconds, b"".join(maps[name].tobytes() for name in ("heatmaps", "logits"))


async def caller(http, questions, right, until, told, dice):
    while time.monotonic() < until:
        known = dice.random() < KNOWN
        index = dice.randrange(SHOWN) if known else dice.randrange(SHOWN, len(questions) // 2)
        question = questions[2 * index + (dice.random() < EVIDENCE)]
        seconds, answer = await ask(http, question)
        told.times.append(seconds)
        told.ends[
            "right" if answer == right[question] else "busy" if BUSY in str(answer) else f"wrong: {str(answer)[:80]}"
        ] += 1


async def asked_what_if(http, photo):
    """The bytes of the three pictures of /what_if, or the error's sentence."""
    sent = await http.post("/gradio_api/upload", files={"files": ("photo.png", photo)})
    image = {"path": sent.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}
    chosen = ["embedded", "Grad-CAM", "hottest", 20, "predicted", "conv3", "repaint", "#ff0000"]
    event = await http.post("/gradio_api/call/what_if", json={"data": [image, *chosen, None]})
    heard = await http.get(f"/gradio_api/call/what_if/{event.raise_for_status().json()['event_id']}")
    kind, _, rest = heard.text.rpartition("event: ")[2].partition("\n")
    data = json.loads(rest.partition("data: ")[2].splitlines()[0])
    if kind != "complete":
        return str(data)
    files = [data[0], *(cell["image"] for cell in data[1])]
    return tuple([(await http.get(file["url"])).raise_for_status().content for file in files])


async def pictures(options):
    """Callers who all ask for the same pictures at once: is each of them whole, and the same as when it was asked for alone?"""
    few = list(photos(4))
    async with server() as (http, _, _):
        right = {photo: await asked_what_if(http, photo) for photo in few}
    ends, until = Counter(), time.monotonic() + options.seconds

    async def looking(http):
        while time.monotonic() < until:
            for photo in few:
                answer = await asked_what_if(http, photo)
                ends["as when asked alone" if answer == right[photo] else "other"] += 1

    async with server() as (http, _, _):
        await asyncio.gather(*(looking(http) for _ in range(options.callers)))
    each = {len(answer) for answer in right.values()}
    print(f"{options.callers} callers of /what_if, {options.seconds} s, {each} pictures an answer: {dict(ends)}")


async def crowd(http, questions, right):
    """Everybody at once, more than may wait."""
    ends = Counter()
    for question, (_, answer) in zip(questions, await asyncio.gather(*(ask(http, question) for question in questions))):
        ends[
            "right" if answer == right[question] else "busy" if BUSY in str(answer) else f"wrong: {str(answer)[:80]}"
        ] += 1
    return ends


def server_of(home):
    """The process id of the app that caches there."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                f"GRADIO_TEMP_DIR={home}/".encode() in (process / "environ").read_bytes()
                and b"app.py" in (process / "cmdline").read_bytes()
            ):
                return process
        except OSError:
            continue
    raise RuntimeError("the app's process is not there")


def size(process, home):
    """Resident memory in MB, threads, files in the cache."""
    lines = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="utf-8").splitlines())
    files = sum(len(names) for _, _, names in os.walk(home / "gradio"))
    return int(lines["VmRSS"].split()[0]) / 1000, int(lines["Threads"]), files


async def watch(process, home, seconds):
    """The server's size, every second: what is free is given back every ten, and a slower look would fall into step with that."""
    started, seen = time.monotonic(), []
    while time.monotonic() - started < seconds:
        await asyncio.sleep(1)
        seen.append((time.monotonic() - started, *size(process, home)))
        if len(seen) % 20 == 0:
            print("  after {:3.0f} s: {:5.0f} MB, {} threads, {} files".format(*seen[-1]), flush=True)
    return seen


@asynccontextmanager
async def server():
    with tempfile.TemporaryDirectory() as home, running_app(Path(home), "--model", "embedded") as url:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as http:
            yield http, server_of(home), Path(home)


async def main(options):
    questions = [Question(photo, endpoint) for photo in photos(options.photos) for endpoint in ("explain", "heatmaps")]
    async with server() as (http, _, _):
        one_by_one = [await ask(http, question) for question in questions]
    right = {question: answer for question, (_, answer) in zip(questions, one_by_one)}
    alone = [seconds for question, (seconds, _) in zip(questions, one_by_one) if question.endpoint == "explain"][SHOWN:]
    print(
        f"one caller alone: /explain {1000 * statistics.median(alone):.0f} ms, median of {len(alone)} new photos",
        flush=True,
    )

    async with server() as (http, process, home):
        told, until = Told(), time.monotonic() + options.seconds
        dice = [random.Random(number) for number in range(options.callers)]
        watching = asyncio.create_task(watch(process, home, options.seconds))
        await asyncio.gather(*(caller(http, questions, right, until, told, one) for one in dice))
        seen = await watching
        told.times.sort()
        p50, p95, worst = (1000 * told.times[int(part * (len(told.times) - 1))] for part in (0.5, 0.95, 1))
        print(
            f"{options.callers} callers, {options.seconds} s: {dict(told.ends)}, {len(told.times) / options.seconds:.1f} a second"
        )
        print(f"  half within {p50:.0f} ms, 95 % within {p95:.0f} ms, all within {worst:.0f} ms")
        first = [memory for after, memory, *_ in seen if after <= 60]
        last = [memory for after, memory, *_ in seen if after > options.seconds - 60]
        for name, of in (("in the middle", statistics.median), ("at most", max)):
            print(
                f"  memory: {name} {of(first):.0f} MB in the first minute, {of(last):.0f} MB in the last: {100 * (of(last) / of(first) - 1):+.1f} %"
            )
        many = [question for question in questions if question.endpoint == "explain"][:CROWD]
        print(f"{len(many)} at once, where {QUEUE_LENGTH} may wait: {dict(await crowd(http, many, right))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--photos", type=int, default=CROWD)
    options = parser.parse_args()
    asyncio.run((pictures if options.pictures else main)(options))
