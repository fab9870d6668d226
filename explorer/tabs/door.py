"""The door: what a stranger may send is looked at here, before Gradio or any tab works on it, and what is refused is told in one sentence."""

import asyncio
import json
import math
import shutil
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from ..photo import MAX_BYTES
from ..regions import MAX_STROKES
from .patience import run_of
from .refusals import EXPECTED, NO_ROOM, room_for_files
from .upload import Upload

MAX_BODY = MAX_BYTES * 4 // 3 + 10**6  # the largest photo as base64, and the rest of the message
MAX_EVENT = MAX_STROKES + 1000  # characters that tell of a click or a drawing
MAX_TEXT = 2000  # characters: a link is the longest text that a visitor sends
ROOM = 500 * 10**6  # bytes that must be free on the disk before anything is accepted
MOST_KEPT = 2 * 10**9  # bytes of uploads and pictures: 16 callers who never pause make 4 MB a second
BUSY = "The server is busy just now; please try again in a minute."
SAID = 40  # characters of a wrong value that an answer repeats

# What Gradio serves and this app has no use for: it fetches for others, or writes files that nothing deletes.
CLOSED = ("deep_link", "process_recording", "component_server", "proxy=", "file=http:", "file=https:", "file/http:", "file/https:")


class Door(gr.Blocks):
    """gr.Blocks that takes from outside only what each component is for.

    Gradio's own checks let a list pass for a choice and a path for a photo, repeat megabytes in their errors, or end in no word at all.
    """

    def queue(self, *arguments, **options):
        super().queue(*arguments, **options)
        self._queue.push = _politely(self._queue.push)
        return self

    async def process_api(self, *arguments, event_id=None, event_data=None, **options):
        if event_data is not None and len(str(event_data._data)) > MAX_EVENT:  # it would stay with the session
            raise gr.Error("This drawing is too large; start again.", print_exception=False)
        with room_for_files(), run_of(self._queue.event_ids_to_events.get(event_id)):
            return await super().process_api(*arguments, event_id=event_id, event_data=event_data, **options)

    async def preprocess_data(self, block_fn, inputs, state, explicit_call=False):
        try:
            taken = await _taken(block_fn.inputs, inputs, state)
            return await super().preprocess_data(block_fn, taken, state, explicit_call)
        except (*EXPECTED, gr.Error) as error:
            raise gr.Error(str(error), print_exception=False) from None


def _politely(push):
    """The same, but whoever finds the queue full is asked to come back, not told of its length."""

    async def polite(*arguments, **options):
        success, word, state = await push(*arguments, **options)
        return success, BUSY if state == "queue_full" else word, state

    return polite


async def _taken(blocks, sent, state):
    if len(sent) < len(blocks):
        names = ", ".join(_name(block) for block in blocks)
        raise ValueError(f"This takes {len(blocks)} values, of which {len(sent)} came: {names}.")
    now = [_as_changed(block, state) for block in blocks]
    return [await _judged(block, value) for block, value in zip(now, sent)]


def _as_changed(block, state):
    """The component as this visitor's page has it: its choices may have changed. Under a State's number lies its value instead."""
    return state[block._id] if state is not None and not block.stateful and block._id in state else block


async def _judged(block, value):
    if block.stateful:
        return value
    if isinstance(block, gr.Dropdown | gr.Radio):
        return _choice(block, value)
    if value is None:  # has its sentence where it is needed
        return value
    if isinstance(block, Upload):
        return await block.receive(value)
    if isinstance(block, gr.Checkbox):
        return _yes_or_no(block, value)
    if isinstance(block, gr.Number | gr.Slider):
        return _number(block, value)
    return _text(block, value)


def _choice(block, value):
    there = [name for _, name in block.choices]
    if not isinstance(value, str) or value not in there:
        raise ValueError(f"There is no {_name(block)} {_short(value)}; choose one of {', '.join(there)}.")
    return value


def _yes_or_no(block, value):
    if not isinstance(value, bool):
        raise ValueError(f"The {_name(block)} must be true or false, not {_short(value)}.")
    return value


def _number(block, value):
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"The {_name(block)} must be a number, not {_short(value)}.")
    return value


def _text(block, value):
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"The {_name(block)} must be a text of at most {MAX_TEXT} characters, not {_short(value)}.")
    return value


def _name(block):
    """What callers know a component by: the head of its label."""
    return (block.label or block.get_block_name()).partition(":")[0].lower()


def _short(value):
    """A wrong value, for people: they must know which, not see all of it."""
    if isinstance(value, list | dict):
        return f"of the kind {type(value).__name__}"
    text = repr(value[: SAID + 1] if isinstance(value, str) else value)
    return text if len(text) <= SAID + 2 else f"{text[:SAID]}…"


class Guard:
    """ASGI middleware around the whole server: bounds the size of what comes in, and closes what the app has no use for."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        refused = _refused(scope)
        if refused:
            return await _answer(send, *refused)
        body = _Body(receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        except _TooMuch:
            await body.refuse()


def _refused(scope):
    """A status and a sentence for what must not come in, else None."""
    if scope["path"].removeprefix("/gradio_api/").lower().startswith(CLOSED):
        return 404, "There is nothing here."
    if scope["method"] in ("POST", "PUT", "PATCH"):
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return _TOO_LARGE
        if shutil.disk_usage(_standing(get_upload_folder())).free < ROOM:
            return 503, NO_ROOM
    return None


_TOO_LARGE = 413, f"This message is larger than {MAX_BODY // 10**6} MB; save the photo smaller and try again."


class _TooMuch(Exception):
    """A message that does not end where it may."""


class _Body:
    """A message whose length nobody announced, counted while it comes in."""

    def __init__(self, receive, send):
        self._receive, self._send = receive, send
        self._bytes, self._answered = 0, False

    async def receive(self):
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > MAX_BODY:
            raise _TooMuch
        return message

    async def send(self, message):
        if self._bytes > MAX_BODY:  # Gradio took it for a broken message and says so
            return await self.refuse()
        self._answered = True
        await self._send(message)

    async def refuse(self):
        if not self._answered:
            self._answered = True
            await _answer(self._send, *_TOO_LARGE)


async def _answer(send, status, sentence):
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": sentence}).encode()})


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


def _standing(folder):
    """The folder, or the nearest above it that is there."""
    return next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
