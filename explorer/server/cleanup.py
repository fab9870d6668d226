"""Deletion of uploaded and generated files: after an hour, or earlier where they exceed a quota."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

MAX_BYTES = 2 * 10**9  # of uploads and pictures: 16 callers without pauses make 4 MB a second


def sweep_lifespan(interval: float, max_age: float):
    """An ASGI lifespan that calls `sweep` every `interval` seconds."""

    @asynccontextmanager
    async def lifespan(app):
        async def sweep_periodically():
            ages = FileAges()
            while True:
                await asyncio.sleep(interval)
                await asyncio.to_thread(sweep, Path(get_upload_folder()), max_age, ages, app.get_blocks())

        task = asyncio.create_task(sweep_periodically())
        try:
            yield
        finally:
            task.cancel()

    return lifespan


class FileAges:
    """File ages by the monotonic clock: the wall clock may jump, and Gradio's own deletion goes by it."""

    def __init__(self):
        self._first_seen = {}

    def of(self, paths) -> dict[Path, float]:
        """Seconds since each file was first seen in its present state; missing files are left out."""
        now, first_seen = time.monotonic(), {}
        for path in paths:
            with suppress(OSError):
                state = path, path.lstat().st_ctime_ns
                first_seen[state] = self._first_seen.get(state, now)
        self._first_seen = first_seen
        return {path: now - first for (path, _), first in first_seen.items()}


def sweep(folder: Path, max_age: float, ages: FileAges, page: gr.Blocks | None = None, quota: int = MAX_BYTES):
    """Delete what is older than `max_age` seconds: files the page took or made, aborted uploads, and empty folders.

    Above `quota` bytes the oldest files are deleted early.
    """
    registered = _registered_files(page) if page else {}
    age_of = ages.of({*folder.glob("*"), *registered})
    over_quota = _over_quota(age_of, quota)
    for path, age in age_of.items():
        if age <= max_age and path not in over_quota:
            continue
        with suppress(OSError):  # in use again, or deleted meanwhile
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # only if it is empty
            elif path in registered or path.name.startswith("tmp"):
                path.unlink()
                for files, name in registered.get(path, ()):
                    files.discard(name)


def _over_quota(age_of, quota):
    """The oldest files, as many as exceed the quota."""
    over = set()
    for path in sorted(age_of, key=age_of.get):
        with suppress(OSError):
            if path.is_file():
                quota -= path.stat().st_size
                if quota < 0:
                    over.add(path)
    return over


def _registered_files(page):
    """Each deletable file that Gradio keeps track of, and where: path → [(a set of names, its name there)]."""
    permanent = {name for component in page.blocks.values() for name in component.keep_in_cache}
    registered = {}
    for files in page.temp_file_sets:
        for name in files.copy() - permanent:
            registered.setdefault(Path(name), []).append((files, name))
    return registered
