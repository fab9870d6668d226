"""Picture files in the upload folder: encoded as the page encodes them, named by what they show, written atomically.

gr.Gallery would encode arrays itself: at a lower quality, with half the colours, and overwriting the file of a client
that requested the same and is still reading it.
"""

import io
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import numpy as np
from PIL import Image

from explorer.rendering.images import jpeg

from .upload import save_for_download, save_together, sent_file

MAX_NAME = 50  # characters of up to four bytes each, of which a system takes 255; the layer stands at the end
THREADS = ThreadPoolExecutor(2, "pictures")  # encoding leaves Python's lock free


def sent_pictures(pictures: Iterable[tuple[str, np.ndarray, str]], gallery: gr.Gallery) -> list[dict]:
    """(name, [H, W, 3] uint8, caption) → a gallery of JPEGs as clients get it, for an answer with postprocess=False."""
    names, images, captions = zip(*pictures)
    files = dict(zip(_file_names(names), THREADS.map(jpeg, images)))
    paths = save_together(files, gallery.GRADIO_CACHE)
    sent = (sent_file(path, gallery, mime_type="image/jpeg") for path in paths)
    return [{"image": file, "caption": caption} for file, caption in zip(sent, captions)]


def saved_pictures(pictures: Iterable[tuple[str, np.ndarray, str]], folder: str) -> list[tuple[str, str]]:
    """(name, [H, W, 3] uint8, caption) → (path of a JPEG, caption), as gr.Gallery takes them."""
    return _save_all(pictures, lambda name, pixels: save_for_download(jpeg(pixels), f"{name}.jpg", folder))


def saved_pictures_exactly(pictures: Iterable[tuple[str, np.ndarray, str]], folder: str) -> list[tuple[str, str]]:
    """The same as PNGs, for pictures whose every pixel counts."""
    return _save_all(pictures, lambda name, pixels: saved_exactly(name, pixels, folder))


def saved_exactly(name: str, pixels: np.ndarray, folder: str) -> str:
    """The path of [H, W, 3] uint8 as a PNG."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return save_for_download(encoded.getvalue(), f"{name}.png", folder)


def _file_names(names):
    """A name for each file, as short as a system takes it: a class of a network from the Hub may be called "../a"."""
    plain = [re.sub(r"[\s/\\:]", "-", name)[-MAX_NAME:] for name in names]
    if len(set(plain)) < len(plain):
        plain = [f"{number}-{name}" for number, name in enumerate(plain)]
    return [f"{name}.jpg" for name in plain]


def _save_all(pictures, save):
    return list(THREADS.map(lambda picture: (save(picture[0].replace(" ", "-"), picture[1]), picture[2]), pictures))
