"""Picture files in the upload folder: encoded as the page encodes them, named by what they show, written atomically."""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from explorer.rendering.images import jpeg

from .upload import save_for_download


def saved_pictures(pictures: Iterable[tuple[str, np.ndarray, str]], folder: str) -> list[tuple[str, str]]:
    """(name, [H, W, 3] uint8, caption) → (path of a JPEG, caption), as gr.Gallery takes them.

    gr.Gallery would encode arrays itself: at a lower quality, with half the colours, for /explain in 22 ms where this
    takes 10, and overwriting the file of a client that requested the same and is still reading it.
    """
    return _save_all(pictures, lambda name, pixels: save_for_download(jpeg(pixels), f"{name}.jpg", folder))


def saved_pictures_exactly(pictures: Iterable[tuple[str, np.ndarray, str]], folder: str) -> list[tuple[str, str]]:
    """The same as PNGs, for pictures whose every pixel counts."""
    return _save_all(pictures, lambda name, pixels: saved_exactly(name, pixels, folder))


def saved_exactly(name: str, pixels: np.ndarray, folder: str) -> str:
    """The path of [H, W, 3] uint8 as a PNG."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return save_for_download(encoded.getvalue(), f"{name}.png", folder)


def _save_all(pictures, save):
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda picture: (save(picture[0].replace(" ", "-"), picture[1]), picture[2]), pictures))
