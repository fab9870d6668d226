"""Upload component: Gradio's image component, passing on the uploaded file unchanged."""

import base64
import binascii
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast
from urllib.parse import quote, unquote, unquote_to_bytes

import gradio as gr
from gradio.utils import is_in_or_equal

from classifiers.photos.formats import MAX_BYTES, PhotoError
from explorer.photos.download import fetch

from .run_directory import write_atomically

NOT_A_FILE = "A photo is sent as an uploaded file, as gradio_client's handle_file does it; nothing else is opened here."


class Upload(gr.Image):
    """gr.Image that leaves decoding to `classifiers.photos.decode`, which has a sentence for every kind of bad file.

    Gradio's own preprocessing opens the file first and shows only the word Error when it is no image. The constructor
    stays Gradio's: the page learns a component's properties from its signature. Make one with `upload`.
    """

    async def receive(self, payload):
        """The photo of a request, as a file of the upload folder and nothing else. Raises PhotoError.

        Gradio checks where a file lies only if the payload says that it is a file, so this must check itself.
        """
        if not isinstance(payload, dict):
            raise PhotoError(NOT_A_FILE)
        path, url = payload.get("path"), payload.get("url")
        if isinstance(url, str) and url.startswith("data:"):
            path = self._save(decoded(url))
        elif isinstance(path, str) and path.startswith(("http://", "https://")):
            path = self._local_path(path) or self._save(await fetch(path))
        if not path:
            return None
        return {"path": self._checked(path), "meta": {"_type": "gradio.FileData"}}

    def postprocess(self, value):
        """An example photo is sent as its copy in the upload folder, so that no other folder is opened to visitors.

        Listing each in `allowed_paths` instead cost half a second a response: Gradio compares every picture with every
        entry.
        """
        try:
            if value:
                photo = Path(cast(str, value))  # as every handler returns it
                value = save_for_download(photo.read_bytes(), _safe_name(photo.name), self.GRADIO_CACHE)
            return super().postprocess(value)
        except FileNotFoundError:
            raise gr.Error("This photo is not there any more; choose another.", print_exception=False) from None

    def preprocess(self, payload):
        return None if payload is None else self._checked(payload.path)

    def _checked(self, path):
        """The path, if it lies in the upload folder with all links resolved."""
        try:
            if isinstance(path, str) and is_in_or_equal(path, self.GRADIO_CACHE):
                return path
        except (OSError, ValueError):  # a name too long, or with a null byte in it
            pass
        raise PhotoError(NOT_A_FILE)

    def _local_path(self, url):
        """The path of an upload or result picture that is given by its URL on this server; None for any other URL."""
        path = unquote(url.partition("/gradio_api/file=")[2].partition("?")[0])
        try:
            return self._checked(path) if path else None
        except PhotoError:
            return None

    def _save(self, data):
        path = save_for_download(data, "photo", self.GRADIO_CACHE)
        self.temp_files.add(path)  # as Gradio does for the files it saves
        return path

    # To the browser and the clients this component is its parent.
    def get_block_name(self):
        return "image"

    @classmethod
    def get_component_class_id(cls):
        return gr.Image.get_component_class_id()


def upload(**options) -> Upload:
    """An Upload whose handlers get the path of the unchanged file."""
    return Upload(type="filepath", image_mode=None, **options)


def save_for_download(data: bytes, name: str, folder: str) -> str:
    """Write a file atomically into the upload folder, where it is deleted with the uploads.

    The path depends on the content.
    """
    return _touch_or_write(Path(folder) / hashlib.sha256(data).hexdigest() / name, data, folder)


def save_together(files: Mapping[str, bytes], folder: str) -> list[str]:
    """Write an answer's files into the upload folder, beside each other: one folder, moved into place as a whole.

    Its name depends on all of them. As `save_for_download`, at two thirds of the system calls.
    """
    digest = hashlib.sha256(json.dumps([(name, len(data)) for name, data in files.items()]).encode())
    for data in files.values():
        digest.update(data)
    place = Path(folder) / digest.hexdigest()
    if not place.exists():
        _move_into_place(files, place)
    return [_touch_or_write(place / name, data, folder) for name, data in files.items()]


def sent_file(path: str, component: gr.Gallery | gr.File, size: int | None = None, mime_type: str | None = None):
    """A saved file as clients get it, for an answer with postprocess=False. It is deleted with the uploads.

    Gradio makes the same of a path, after it has looked where that leads: 1.5 ms a file.
    """
    component.temp_files.add(path)
    return {
        "path": path,
        "url": f"/gradio_api/file={quote(path)}",
        "size": size,
        "orig_name": Path(path).name,
        "mime_type": mime_type,
        "is_stream": False,
        "meta": {"_type": "gradio.FileData"},
    }


def _touch_or_write(path, data, folder):
    try:
        os.utime(path)  # there already: its age starts anew, and clients reading it are not disturbed
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, temp_dir=folder)
    return str(path)


def _move_into_place(files, place):
    """Unless somebody else is first."""
    aside = Path(tempfile.mkdtemp(dir=place.parent))
    try:
        for name, data in files.items():
            aside.joinpath(name).write_bytes(data)
        with suppress(OSError):
            aside.rename(place)
    finally:  # no room, interrupted, or too late: it would take up room
        if aside.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _safe_name(name):
    """A file's name, if it needs no quoting in URLs and headers."""
    return name if re.fullmatch(r"[\w.-]+", name, re.ASCII) else f"photo{Path(name).suffix}"


def decoded(url: str) -> bytes:
    """The bytes of a data: URL, to be decoded by `classifiers.photos.decode`. Raises PhotoError."""
    header, comma, text = url.partition(",")
    if not comma or len(text) > MAX_BYTES * 4 / 3 + 4:
        raise PhotoError(f"A photo within a message is a data: URL, and has at most {MAX_BYTES // 10**6} MB.")
    if not header.endswith(";base64"):  # a drawing, SVG, as Gradio's page sends it
        return unquote_to_bytes(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PhotoError("The photo within this message is not whole base64; send the file itself.") from None
