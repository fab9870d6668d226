"""A photo's way in: Gradio's image component, handing over the uploaded file as it came."""

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote

import gradio as gr
from gradio.utils import is_in_or_equal

from explorer.photos.download import fetch
from explorer.photos.formats import MAX_BYTES, PhotoError

from .run_directory import write_whole

NOT_A_FILE = "A photo is sent as an uploaded file, as gradio_client's handle_file does it; nothing else is opened here."


class Upload(gr.Image):
    """gr.Image that leaves decoding to `explorer.photos.decode`, where every kind of bad file has its sentence.

    Gradio's own preprocessing opens the file first and fails with a bare badge when it is no image. The constructor
    stays Gradio's: the page learns a component's properties from its signature. Make one with `upload`.
    """

    async def receive(self, sent):
        """What a stranger sent in place of a photo, as a file of the upload folder and nothing more. Raises PhotoError.

        Gradio looks at where a file lies only if what was sent says that it is a file, so this must look itself.
        """
        if not isinstance(sent, dict):
            raise PhotoError(NOT_A_FILE)
        path, url = sent.get("path"), sent.get("url")
        if isinstance(url, str) and url.startswith("data:"):
            path = self._keep(decoded(url))
        elif isinstance(path, str) and path.startswith(("http://", "https://")):
            path = self._filed_here(path) or self._keep(await fetch(path))
        if not path:
            return None
        return {"path": self._uploaded(path), "meta": {"_type": "gradio.FileData"}}

    def postprocess(self, value):
        """A photo of ours goes out as its copy in the upload folder, so that no other folder is opened to visitors.

        To name each of them in `allowed_paths` instead cost half a second an answer: Gradio compares every picture with every entry.
        """
        try:
            return super().postprocess(
                value and save_for_download(Path(value).read_bytes(), _plain(Path(value).name), self.GRADIO_CACHE)
            )
        except FileNotFoundError:
            raise gr.Error("This photo is not there any more; choose another.", print_exception=False) from None

    def preprocess(self, payload):
        return None if payload is None else self._uploaded(payload.path)

    def _uploaded(self, path):
        """The path, if it leads into the upload folder, whatever links lie on the way."""
        try:
            if isinstance(path, str) and is_in_or_equal(path, self.GRADIO_CACHE):
                return path
        except (OSError, ValueError):  # a name too long, or with a zero in it
            pass
        raise PhotoError(NOT_A_FILE)

    def _filed_here(self, address):
        """The path of an upload, or of a picture of an answer, that is sent by its address here; None for any other address."""
        path = unquote(address.partition("/gradio_api/file=")[2].partition("?")[0])
        try:
            return self._uploaded(path) if path else None
        except PhotoError:
            return None

    def _keep(self, data):
        path = save_for_download(data, "photo", self.GRADIO_CACHE)
        self.temp_files.add(path)  # Gradio does so for what it keeps itself
        return path

    # The browser and the clients know this component by its parent's name.
    def get_block_name(self):
        return "image"

    @classmethod
    def get_component_class_id(cls):
        return gr.Image.get_component_class_id()


def upload(**options) -> Upload:
    """An Upload whose handlers get the path of the untouched file."""
    return Upload(type="filepath", image_mode=None, **options)


def save_for_download(data: bytes, name: str, folder: str) -> str:
    """Write a file into the upload folder, where it is deleted with the uploads. The same content has the same path, and is never there by half."""
    place = Path(folder) / hashlib.sha256(data).hexdigest() / name
    try:
        os.utime(place)  # there already: it begins to age anew, and whoever reads it reads on
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, data, aside=folder)
    return str(place)


def _plain(name):
    """A file's name, if it can stand in any address and header as it is."""
    return name if re.fullmatch(r"[\w.-]+", name, re.ASCII) else f"photo{Path(name).suffix}"


def decoded(url: str) -> bytes:
    """The bytes of a "data:" address; what they are is for `explorer.photos.decode` to say. Raises PhotoError."""
    head, _, text = url.partition(",")
    if not head.endswith(";base64") or len(text) > MAX_BYTES * 4 / 3 + 4:
        raise PhotoError(f"A photo within a message is sent as base64 and has at most {MAX_BYTES // 10**6} MB.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PhotoError("The photo within this message is not whole base64; send the file itself.") from None
