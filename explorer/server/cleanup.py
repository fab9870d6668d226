"""What was sent and drawn is deleted: after an hour, or sooner where there is no room."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

MOST_KEPT = 2 * 10**9  # bytes of uploads and pictures: 16 callers who never pause make 4 MB a second


def sweeping(every: float, age: float):
    """A lifespan that deletes, every so many seconds, what was sent and drawn and is older than `age`: see `sweep`."""

    @asynccontextmanager
    async def lifespan(app):
        async def sweep_on():
            ages = Ages()
            while True:
                await asyncio.sleep(every)
                await asyncio.to_thread(sweep, Path(get_upload_folder()), age, ages, app.get_blocks())

        task = asyncio.create_task(sweep_on())
        try:
            yield
        finally:
            task.cancel()

    return lifespan


class Ages:
    """How long files have been as they are, by a clock that nobody sets: the wall clock may jump, and Gradio's own deletion goes by it."""

    def __init__(self):
        self._since = {}

    def of(self, paths) -> dict[Path, float]:
        """Seconds since each was first looked at, or changed since; those that are gone are left out."""
        now, since = time.monotonic(), {}
        for path in paths:
            with suppress(OSError):
                state = path, path.lstat().st_ctime_ns
                since[state] = self._since.get(state, now)
        self._since = since
        return {path: now - first for (path, _), first in since.items()}


def sweep(folder: Path, age: float, ages: Ages, page: gr.Blocks | None = None, room: int = MOST_KEPT):
    """Delete what is older than `age` seconds: files the page took or made, uploads that broke off, and folders that are empty.

    Of more than `room` bytes the oldest go before their time.
    """
    known = _known_files(page) if page else {}
    lasted = ages.of({*folder.glob("*"), *known})
    crowded = _crowded_out(lasted, room)
    for found, seconds in lasted.items():
        if seconds <= age and found not in crowded:
            continue
        with suppress(OSError):  # in use again, or gone
            if found.is_dir() and not found.is_symlink():
                found.rmdir()  # only if it is empty
            elif found in known or found.name.startswith("tmp"):
                found.unlink()
                for files, name in known.get(found, ()):
                    files.discard(name)


def _crowded_out(lasted, room):
    """The files, of those that have lasted so long each, for which younger ones leave no room."""
    crowded = set()
    for path in sorted(lasted, key=lasted.get):
        with suppress(OSError):
            if path.is_file():
                room -= path.stat().st_size
                if room < 0:
                    crowded.add(path)
    return crowded


def _known_files(page):
    """Each file of Gradio's books that need not stay, and where it stands in them: path → [(a set, its name there)]."""
    stay = {name for component in page.blocks.values() for name in component.keep_in_cache}
    known = {}
    for files in page.temp_file_sets:
        for name in files.copy() - stay:
            known.setdefault(Path(name), []).append((files, name))
    return known
