"""Decode an uploaded file to an image that a network can take, or raise PhotoError with one sentence that says why not.

An uploaded file is untrusted twice over: it may be anything (a renamed PDF, half a download), and it may be built to
exhaust the server. So only six formats are tried, each only when the file's first bytes match it, and nothing is
decoded before its cost is known.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from .bounds import Metered, check_jpeg, check_png_samples, check_size, check_tiff_storage, has_several_frames
from .convert import SHOWN_SIDE, SIDEWAYS, TURNS, eight_bit, orientation, over_white, reduced, scaled
from .formats import Format, Jpeg, PhotoError, Tiff, checked, format_of, read_bytes


@dataclass(frozen=True)
class Photo:
    """A decoded photo: upright, opaque, sRGB, without metadata."""

    pixels: np.ndarray  # [H, W, 3] uint8, the long side at most SHOWN_SIDE
    width: int  # of the original, upright
    height: int
    notes: tuple[str, ...] = ()  # sentences for the visitor about choices made while decoding; usually none


def read_photo(path) -> Photo:
    """Decode the file at `path`, whatever its name. Raises PhotoError for anything that is not a readable photo."""
    return _decoded(read_bytes(path))


def decode_photo(data: bytes) -> Photo:
    """Decode a file's content, as `read_photo` does."""
    return _decoded(checked(data))


def _decoded(data: bytes) -> Photo:
    file_format = format_of(data[:1024])
    try:
        return _decode(data, file_format)
    except PhotoError:
        raise
    except Exception as error:  # Pillow raises many kinds: OSError, SyntaxError, struct.error, MemoryError …
        raise PhotoError(
            f"This {file_format.name} file is cut off, damaged or of an unusual kind; open it in a photo program, "
            "save it as JPEG or PNG, and try again."
        ) from error


def pixels_sha256(photo: np.ndarray) -> str:
    """SHA-256 of a photo's pixels, not of a file, in hexadecimal."""
    return hashlib.sha256(photo.tobytes()).hexdigest()


def _decode(data: bytes, file_format: Format) -> Photo:
    image, (width, height) = _load(data, file_format)
    notes = []
    if has_several_frames(image, data):
        notes.append("This file holds several pictures; the first is used.")
    small = reduced(image)
    if small.mode in ("I", "F"):
        full_scale = 65535 if image.mode.startswith("I;16") else None
        small, white = eight_bit(small, full_scale)
        if full_scale is None:
            notes.append(f"This photo's values have no agreed range; {white:g} is shown as white.")
    if small.mode == "RGBA" and np.asarray(small.getchannel("A")).min() < 255:
        notes.append("This photo's transparent parts are shown over white.")
    small = over_white(small, image.info.get("icc_profile"))

    turn = orientation(image)
    if turn in TURNS:
        small = small.transpose(TURNS[turn])
    if turn in SIDEWAYS:
        width, height = height, width
    if max(width, height) > SHOWN_SIDE:
        small = small.resize(scaled((width, height), SHOWN_SIDE), Image.Resampling.LANCZOS)
    return Photo(np.array(small), width, height, tuple(notes))


def _load(data: bytes, file_format: Format) -> tuple[Image.Image, tuple[int, int]]:
    """The decoded image, and its size in the file: a large JPEG is decoded smaller."""
    stream = Metered(data, file_format.header_bytes)
    image = file_format.reader(stream)  # the header only
    size = image.size
    check_size(*size, file_format)
    if isinstance(image, PngImageFile):
        check_png_samples(image)
    if isinstance(image, Jpeg):
        check_jpeg(image, data)
        image.draft(None, scaled(size, SHOWN_SIDE))  # libjpeg shrinks by 2, 4 or 8 while decoding
    if isinstance(image, Tiff):
        check_tiff_storage(image, file_format)
    stream.allowance = len(data) + 50_000 * stream.READ_COSTS  # the file once, in pieces of 400 bytes or more
    image.load()
    return image, size
