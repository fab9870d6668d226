"""Drills: faults too slow, or too demanding of the machine, for tests. Each prints what it did and the result.

    python -m benchmarks.drills [kill] [download] [disk] [leave] [share]

Without a name, all. `disk` mounts a small tmpfs, which requires root. The last results: docs/drills.md
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import torch

from explorer.server.run_directory import PREFIX
from potplants import MODELS
from tests.support.app_process import App
from tests.support.fake_hub import FakeHub, ThreadingHTTPServer

ROOT = Path(__file__).parent.parent
ThreadingHTTPServer.handle_error = lambda *_: None  # killed clients drop their connections to the fake Hub, as intended

CALLERS = 8
EXPLAIN = ["embedded", "Grad-CAM", "edges", "jet", "each map"]
ENDPOINTS = {
    "/heatmaps": ["embedded", "Grad-CAM"],
    "/explain": EXPLAIN,
    "/step_by_step": ["embedded", "predicted", "conv3"],
    "/what_if": ["embedded", "Grad-CAM", "hottest", 10, "predicted", "conv3", "fill", "red", None, "", 20],
}
# The app without its limit on files, so that the disk really fills.
UNLIMITED = "from explorer.server import limits as limits; limits.MIN_FREE_DISK = 0; import app; app.main()"


def log(line):
    print("   ", line, flush=True)


def kill(home, rounds=3):
    """SIGKILL under load, then a restart on the same port with the same folders."""
    port, known = None, None
    for number in range(rounds):
        with App(home, "--model", "embedded", port=port) as app:
            port, photo = app.port, app.photo
            kind, (gallery, report) = app.ask("/explain", photo, *EXPLAIN)
            pictures = [httpx.get(cell["image"]["url"]).content for cell in gallery]
            assert kind == "complete"
            assert known is None or known == (report, pictures), "another answer than before the kill"
            known = report, pictures
            with ThreadPoolExecutor(CALLERS) as pool:
                callers = [pool.submit(_ask_until_killed, app, photo) for _ in range(CALLERS)]
                time.sleep(2 + number)
                status = app.end(signal.SIGKILL)
                answered = sum(caller.result() for caller in callers)
            log(
                f"round {number + 1}: {CALLERS} callers, {answered} answers, then killed (status {status}); "
                f"left behind: {_files(home / 'gradio')} files"
            )
    with App(home, "--model", "embedded", port=port) as app:
        folders = _folders(home)
        kind, (_, report) = app.ask("/explain", app.photo, *EXPLAIN)
        assert report == known[0]
        assert len(folders) == 1
        log(
            f"after {rounds} kills: started, answers as before ({report['predicted']}), one folder of files: its own; "
            f"SIGTERM ends it with status {app.end()}"
        )
    assert not _folders(home)
    assert "Traceback" not in app.log


def _ask_until_killed(app, photo):
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
    """The Hub's file at its true size; the process killed, the connection cut, the content damaged."""
    model = MODELS["pot_plant_classifier"]
    torch.manual_seed(0)
    torch.save(model.network().state_dict(), home / "model.pth")
    content = (home / "model.pth").read_bytes()
    with FakeHub() as hub:
        address = f"{model.weights.repo}/{model.weights.path}"
        hub.files[address], hub.chunk_pause = content, 1.0
        command = [sys.executable, "app.py"]
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home / "hub"),
            "GRADIO_TEMP_DIR": str(home / "gradio"),
        }
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not (parts := list((home / "hub").rglob("*.incomplete"))) or not parts[0].stat().st_size:
            time.sleep(0.05)
        process.kill()
        process.wait()
        log(
            f"killed with {parts[0].stat().st_size / 1e6:.0f} of {len(content) / 1e6:.0f} MB there; "
            f"whole files in the cache: {_complete_files(home)}"
        )
        hub.chunk_pause = 0.0
        for case, mode, body in (
            ("cut in the middle, once", "cut", content),
            ("begun anew, its end zeros", "ok", content[:-5000] + bytes(5000)),
            ("whole at last", "ok", content),
        ):
            if _complete_files(home) and case != "whole at last":
                shutil.rmtree(home / "hub")
            hub.mode, hub.files[address] = mode, body
            with App(home, HF_ENDPOINT=hub.url) as app:
                log(f"{case}: {_chosen_model(app)}  Parts left: {len(list((home / 'hub').rglob('*.incomplete')))}")


def disk(home):
    """A full disk under uploads and answers, and under the Hub's cache."""
    _full_under_uploads(home)
    _full_at_start()
    _full_under_the_hubs_cache(home)


def _full_under_uploads(home):
    with (
        _small_disk("8m") as folder,
        App(home, "--model", "embedded", program=UNLIMITED, GRADIO_TEMP_DIR=str(folder)) as app,
    ):
        photo = app.photo
        _fill(folder / "filler")
        sent = app.http.post("/gradio_api/upload", files={"files": ("photo.jpg", bytes(3 * 10**6))})
        log(f"upload: {sent.status_code} {sent.json()['detail']}")
        for endpoint, values in ENDPOINTS.items():
            log(f"{endpoint}: {_outcome(app.ask(endpoint, photo, *values))}")
        log(f"/audit: {_outcome(app.ask('/audit', 'embedded', 'none', 'val', False))}")
        (folder / "filler").unlink()
        outcome = _outcome(app.ask("/explain", photo, *EXPLAIN))
        log(f"with room again, /explain: {outcome}; stack traces in the log: {app.log.count('Traceback')}")


def _full_at_start():
    with _small_disk("1m") as folder:
        _fill(folder / "filler")
        ended = subprocess.run(
            [sys.executable, "app.py", "--model", "embedded"],
            check=False,
            cwd=ROOT,
            env={**os.environ, "GRADIO_TEMP_DIR": str(folder / "gradio")},
            capture_output=True,
            text=True,
        )
        reason = ended.stderr.strip().splitlines()[-1] if ended.returncode else "it starts"
        log(f"a start where not even a folder can be made: status {ended.returncode}, {reason}")


def _full_under_the_hubs_cache(home):
    model = MODELS["pot_plant_classifier"]
    with _small_disk("8m") as folder, FakeHub() as hub:
        hub.files[f"{model.weights.repo}/{model.weights.path}"] = os.urandom(20 * 10**6)
        with App(home, HF_ENDPOINT=hub.url, HF_HOME=str(folder)) as app:
            log(f"the Hub's cache on a full disk: {_chosen_model(app)}")


def leave(home):
    """How soon the next caller is served after an earlier one has left, compared with that one's whole work."""
    with App(home, "--model", "embedded") as app:
        photo = app.photo
        app.ask("/explain", photo, *EXPLAIN)  # the first is slower
        started = time.monotonic()
        app.ask("/audit", "embedded", "none", "both", True)
        whole = time.monotonic() - started
        with app.http.stream("GET", f"/gradio_api/call/audit/{app.begin('/audit', 'debiased', 'none', 'both', True)}"):
            time.sleep(1)
        started = time.monotonic()
        app.ask("/audit", "embedded", "none", "both", True)  # cached by now: it only waits for its turn
        log(
            f"an audit takes {whole:.1f} s; its caller hangs up after 1 s, "
            f"and the next in line is served {time.monotonic() - started:.1f} s later"
        )


def share(home):
    """Ctrl-C and SIGTERM during an audit."""
    for name in ("SIGINT", "SIGTERM"):
        with (
            App(home, "--model", "embedded") as app,
            app.http.stream("GET", f"/gradio_api/call/audit/{app.begin('/audit', 'embedded', 'none', 'both', True)}"),
        ):
            time.sleep(1)
            started = time.monotonic()
            status = app.end(getattr(signal, name))
            log(
                f"{name} during an audit: status {status} after {time.monotonic() - started:.1f} s; "
                f"stack traces in the log: {app.log.count('Traceback')}"
            )


@contextmanager
def _small_disk(size):
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        raise PermissionError(f"not done, no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def _fill(file):
    with suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def _outcome(answer):
    kind, content = answer
    return kind if kind == "complete" else f"{kind}: {content['error']}"


def _chosen_model(app):
    return next(line for line in app.log.splitlines() if "speaking" in line)


def _folders(home):
    """The folders of runs; Gradio makes one of its own beside them."""
    return list((home / "gradio").glob(f"{PREFIX}*"))


def _files(folder):
    return sum(path.is_file() for path in folder.rglob("*"))


def _complete_files(home):
    return sum(path.is_file() for path in (home / "hub").rglob("model.pth"))


DRILLS = {function.__name__: function for function in (kill, download, disk, leave, share)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="drill", help=f"of {', '.join(DRILLS)}; all by default")
    for name in parser.parse_args().names or DRILLS:
        print(f"{name}: {DRILLS[name].__doc__}", flush=True)
        with tempfile.TemporaryDirectory() as home:
            try:
                DRILLS[name](Path(home))
            except PermissionError as error:
                log(error)


if __name__ == "__main__":
    main()
