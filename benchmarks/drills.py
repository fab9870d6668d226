"""Drills: faults that are too slow, or ask for too much of the machine, to be tests. Each prints what it did and what it found.

    python benchmarks/drills.py [kill] [download] [disk] [leave] [share]

Without a name, all. `disk` mounts a tiny tmpfs and needs to be root for that. The last results: docs/drills.md
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import torch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fake_hub import FakeHub, ThreadingHTTPServer  # noqa: E402
from app_process import App  # noqa: E402

from explorer.server.run_directory import PREFIX  # noqa: E402
from potplants import MODELS  # noqa: E402

ThreadingHTTPServer.handle_error = lambda *_: (
    None
)  # callers that are killed hang up on the false Hub: that is the drill

CALLERS = 8
EXPLAIN = ["embedded", "Grad-CAM", "edges", "jet", "each map"]
ENDPOINTS = {
    "/heatmaps": ["embedded", "Grad-CAM"],
    "/explain": EXPLAIN,
    "/step_by_step": ["embedded", "predicted", "conv3"],
    "/what_if": ["embedded", "Grad-CAM", "hottest", 10, "predicted", "conv3", "fill", "red", None],
}
WITHOUT_BOUND = "from explorer.server import limits; limits.MIN_FREE_DISK = 0; import app; app.main()"  # so that what passes the bound on the disk is seen


def tell(*words):
    print("   ", *words, flush=True)


def kill(home, rounds=3):
    """SIGKILL under load and start again, same port, same folders."""
    port, known = None, None
    for number in range(rounds):
        with App(home, "--model", "embedded", port=port) as app:
            port, photo = app.port, app.photo
            kind, (gallery, report) = app.ask("/explain", photo, *EXPLAIN)
            pictures = [httpx.get(cell["image"]["url"]).content for cell in gallery]
            assert kind == "complete" and (known is None or known == (report, pictures)), (
                "another answer than before the kill"
            )
            known = report, pictures
            with ThreadPoolExecutor(CALLERS) as pool:
                asked = [pool.submit(_ask_until_dead, app, photo) for _ in range(CALLERS)]
                time.sleep(2 + number)
                status = app.end(signal.SIGKILL)
                answered = sum(caller.result() for caller in asked)
            tell(
                f"round {number + 1}: {CALLERS} callers, {answered} answers, then killed (status {status}); left behind: {_files(home / 'gradio')} files"
            )
    with App(home, "--model", "embedded", port=port) as app:
        folders = _folders(home)
        kind, (_, report) = app.ask("/explain", app.photo, *EXPLAIN)
        assert report == known[0] and len(folders) == 1
        tell(
            f"after {rounds} kills: started, answers as before ({report['predicted']}), one folder of files: its own; SIGTERM ends it with status {app.end()}"
        )
    assert not _folders(home) and "Traceback" not in app.log


def _ask_until_dead(app, photo):
    answers = 0
    with httpx.Client(base_url=app.url, timeout=60) as http:
        while True:
            try:
                event = http.post(
                    "/gradio_api/call/explain", json={"data": [photo, *EXPLAIN[:3], "viridis", "shared"]}
                ).json()["event_id"]
                answers += "event: complete" in http.get(f"/gradio_api/call/explain/{event}").text
            except (httpx.HTTPError, KeyError):
                return answers


def download(home):
    """The Hub's file at its true size; killed, cut and damaged on its way."""
    model = MODELS["pot_plant_classifier"]
    torch.manual_seed(0)
    torch.save(model.network().state_dict(), home / "model.pth")
    content = (home / "model.pth").read_bytes()
    with FakeHub() as hub:
        place = f"{model.weights.repo}/{model.weights.path}"
        hub.files[place], hub.chunk_pause = content, 1.0
        command = [sys.executable, "app.py"]
        variables = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home / "hub"),
            "GRADIO_TEMP_DIR": str(home / "gradio"),
        }
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not (parts := list((home / "hub").rglob("*.incomplete"))) or not parts[0].stat().st_size:
            time.sleep(0.05)
        process.kill()
        process.wait()
        tell(
            f"killed with {parts[0].stat().st_size / 1e6:.0f} of {len(content) / 1e6:.0f} MB there; whole files in the cache: {_whole(home)}"
        )
        hub.chunk_pause = 0.0
        for what, mode, body in (
            ("cut in the middle, once", "cut", content),
            ("begun anew, its end zeros", "ok", content[:-5000] + bytes(5000)),
            ("whole at last", "ok", content),
        ):
            if _whole(home) and what != "whole at last":
                shutil.rmtree(home / "hub")
            hub.mode, hub.files[place] = mode, body
            with App(home, HF_ENDPOINT=hub.url) as app:
                tell(f"{what}: {_speaks(app)}  Parts left: {len(list((home / 'hub').rglob('*.incomplete')))}")


def disk(home):
    """A full disk under uploads and answers, and under the Hub's cache."""
    with _tiny_disk("8m") as place:
        with App(home, "--model", "embedded", program=WITHOUT_BOUND, GRADIO_TEMP_DIR=str(place)) as app:
            photo = app.photo
            _fill(place / "filler")
            sent = app.http.post("/gradio_api/upload", files={"files": ("photo.jpg", bytes(3 * 10**6))})
            tell(f"upload: {sent.status_code} {sent.json()['detail']}")
            for endpoint, values in ENDPOINTS.items():
                tell(f"{endpoint}: {_said(app.ask(endpoint, photo, *values))}")
            tell(f"/audit: {_said(app.ask('/audit', 'embedded', 'none', 'val', False))}")
            (place / "filler").unlink()
            tell(
                f"with room again, /explain: {_said(app.ask('/explain', photo, *EXPLAIN))}; stack traces in the log: {app.log.count('Traceback')}"
            )
    with _tiny_disk("1m") as place:
        _fill(place / "filler")
        command = [sys.executable, "app.py", "--model", "embedded"]
        told = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "GRADIO_TEMP_DIR": str(place / "gradio")},
            capture_output=True,
            text=True,
        )
        tell(
            f"a start where not even a folder can be made: status {told.returncode}, {told.stderr.strip().splitlines()[-1] if told.returncode else 'it starts'}"
        )
    model = MODELS["pot_plant_classifier"]
    with _tiny_disk("8m") as place, FakeHub() as hub:
        hub.files[f"{model.weights.repo}/{model.weights.path}"] = os.urandom(20 * 10**6)
        with App(home, HF_ENDPOINT=hub.url, HF_HOME=str(place)) as app:
            tell(f"the Hub's cache on a full disk: {_speaks(app)}")


def leave(home):
    """How soon the next caller is served when those before have left, against what their work would take."""
    with App(home, "--model", "embedded") as app:
        photo = app.photo
        app.ask("/explain", photo, *EXPLAIN)  # the first is slower
        started = time.monotonic()
        app.ask("/audit", "embedded", "none", "both", True)
        whole = time.monotonic() - started
        with app.http.stream("GET", f"/gradio_api/call/audit/{app.begin('/audit', 'debiased', 'none', 'both', True)}"):
            time.sleep(1)
        started = time.monotonic()
        app.ask("/audit", "embedded", "none", "both", True)  # known by now: it waits for its turn only
        tell(
            f"an audit takes {whole:.1f} s; its caller hangs up after 1 s, and the next in line is served {time.monotonic() - started:.1f} s later"
        )


def share(home):
    """Ctrl-C and SIGTERM, at rest and at work."""
    for name in ("SIGINT", "SIGTERM"):
        with (
            App(home, "--model", "embedded") as app,
            app.http.stream("GET", f"/gradio_api/call/audit/{app.begin('/audit', 'embedded', 'none', 'both', True)}"),
        ):
            time.sleep(1)
            started = time.monotonic()
            status = app.end(getattr(signal, name))
            tell(
                f"{name} during an audit: status {status} after {time.monotonic() - started:.1f} s; stack traces in the log: {app.log.count('Traceback')}"
            )


@contextmanager
def _tiny_disk(size):
    place = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        raise PermissionError(f"not done, no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)])
        place.rmdir()


def _fill(file):
    with open(file, "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass


def _said(answer):
    kind, content = answer
    return kind if kind == "complete" else f"{kind}: {content['error']}"


def _speaks(app):
    return next(line for line in app.log.splitlines() if "speaking" in line)


def _folders(home):
    """Those of runs; Gradio makes one of its own beside them."""
    return list((home / "gradio").glob(f"{PREFIX}*"))


def _files(folder):
    return sum(path.is_file() for path in folder.rglob("*"))


def _whole(home):
    return sum(path.is_file() for path in (home / "hub").rglob("model.pth"))


DRILLS = {function.__name__: function for function in (kill, download, disk, leave, share)}


def main():
    for name in sys.argv[1:] or DRILLS:
        print(f"{name}: {DRILLS[name].__doc__}", flush=True)
        with tempfile.TemporaryDirectory() as home:
            try:
                DRILLS[name](Path(home))
            except PermissionError as reason:
                tell(reason)


if __name__ == "__main__":
    main()
