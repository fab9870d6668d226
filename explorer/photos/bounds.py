"""What a file of a photo may cost to read: judged before anything is decoded, and metered while it is."""

import io
import re
import struct
from dataclasses import replace

from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from .formats import Format, PhotoError

MAX_SIDE = 30_000  # pixels; no camera passes it, and some readers allocate many rows at once
MAX_PNG_BYTES = (
    75 * 10**6
)  # of its samples, unpacked, as in 24 megapixels of RGB: the filter takes 12 ns for each at worst
MAX_MARKERS = 100_000  # in a JPEG
MAX_PASSES = 40  # over one JPEG: cameras make 1, the web about 10, and only a trap makes thousands
MAX_SAMPLES = 120 * 10**6  # of a JPEG in several passes, between which libjpeg holds them all in 2 bytes each
MAX_PASS_WORK = 14 * 10**6  # blocks of 8 × 8 over all passes, and the file's bytes: 45 to 50 ns for each at worst
TOO_MUCH_WORK = "This file takes too much work to read; save the photo smaller, as a plain JPEG, and try again."


class Metered(io.BytesIO):
    """A file in memory that may be read only so much, since a small file can make a reader loop or copy without end."""

    READ_COSTS = 100  # bytes' worth, besides its length: a loop over tiny chunks costs time, not space

    def __init__(self, data: bytes, allowance: int):
        super().__init__(data)
        self.allowance = allowance

    def read(self, size=-1, /):
        data = super().read(size)
        if size is not None and size >= 0:  # a read of everything happens once, for a decoder in C
            self.allowance -= len(data) + self.READ_COSTS
            if self.allowance < 0:
                raise PhotoError(TOO_MUCH_WORK)
        return data


def check_size(width: int, height: int, format: Format) -> None:
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"This photo is longer than {MAX_SIDE} pixels on one side; save it smaller and try again.")
    if width * height > format.megapixels * 10**6:
        raise PhotoError(
            f"This {format.name} photo has {width} × {height} pixels, more than the {format.megapixels} million that "
            "can be read here; save it smaller and try again."
        )


def check_png_samples(image: PngImageFile) -> None:
    """Refuse a PNG of more samples than are unpacked in time, of which those of 16 bits count twice."""
    (_, _, _, kind), *_ = image.tile  # "L", "RGB", "RGBA;16B" …
    samples = image.width * image.height * len(kind.partition(";")[0])
    if samples * (2 if "16" in kind else 1) > MAX_PNG_BYTES:
        raise PhotoError(
            f"This PNG photo has {image.width} × {image.height} pixels in more colours or shades than can be read here at this "
            "size; save it smaller, or as JPEG, and try again."
        )


_PLAIN_JPEG = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, in Huffman's code
_ANY_JPEG = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PROGRESSIVE, _SCAN, _END = 0xC2, 0xDA, 0xD9
_ALONE = (0x01, 0xD8)  # markers without a length
_MARKER = re.compile(rb"\xff+([^\xff\0\xd0-\xd7])")  # restarts are part of a scan


def check_jpeg(image: JpegImageFile, data: bytes) -> None:
    """Refuse a JPEG of a kind that no camera makes, or that passes over the picture too often or holds too much between its passes.

    libjpeg-turbo 3.1 writes beyond its memory when it shrinks a lossless one.
    """
    frame, scans = None, []  # where they begin
    for marker, at in _jpeg_markers(data):
        if marker in _ANY_JPEG:
            if marker not in _PLAIN_JPEG:
                raise PhotoError(
                    "This JPEG is of a kind that cannot be read here; save the photo as a plain JPEG and try again."
                )
            frame, progressive = at, marker == _PROGRESSIVE
        elif marker == _SCAN:
            scans.append(data[at + 3 : at + 3 + 2 * data[at + 2] : 2])  # the names of its components
    height, width, count = struct.unpack_from(">HHB", data, frame + 3)
    if (width, height) != image.size:
        raise ValueError("two readers of the header disagree")
    parts = {
        name: (shape >> 4) * (shape & 15)
        for name, shape, _ in zip(*[iter(data[frame + 8 : frame + 8 + 3 * count])] * 3)
    }
    if not progressive and len(scans[0]) == count:
        return  # nothing is held, and what follows is not read
    samples = {name: width * height * part / max(parts.values()) for name, part in parts.items()}
    blocks = sum(samples[name] for names in scans for name in names) / 64
    if len(scans) > MAX_PASSES or blocks + len(data) > MAX_PASS_WORK or sum(samples.values()) > MAX_SAMPLES:
        raise PhotoError(TOO_MUCH_WORK)


def _jpeg_markers(data):
    """Each marker and where its content begins, as libjpeg finds them, up to the end of the picture. Pillow reads them otherwise."""
    at = 2
    for _ in range(MAX_MARKERS):
        found = _MARKER.search(data, at)
        if not found or found[1][0] == _END:
            return
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker not in _ALONE:
            at += int.from_bytes(data[at : at + 2], "big")
    raise PhotoError(TOO_MUCH_WORK)


_TIFF_COMPRESSIONS = {
    "raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "jpeg", "tiff_ccitt", "group3", "group4",
}  # fmt: skip
ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 274, 322, 323  # TIFF tags; EXIF is a TIFF without a picture


def check_tiff_storage(image: TiffImageFile, format: Format) -> None:
    """Refuse compressions that choose their own memory, and tiles too large: each is decoded whole."""
    if image.info["compression"] not in _TIFF_COMPRESSIONS:
        raise PhotoError("This TIFF is compressed in a way that cannot be read here; save the photo as JPEG or PNG.")
    check_size(image.tag_v2.get(_TILE_WIDTH, 1), image.tag_v2.get(_TILE_LENGTH, 1), format)
    if image.mode == "LAB":  # to become RGB costs as much as twice the pixels
        check_size(*image.size, replace(format, megapixels=format.megapixels // 2))


def holds_several(image: Image.Image, data: bytes) -> bool:
    """Whether there are more frames or pages. A JPEG's further pictures are previews and depth, and need no word."""
    return _gif_frames(data) > 1 if isinstance(image, GifImageFile) else getattr(image, "is_animated", False)


def _gif_frames(data: bytes) -> int:
    """Count frames by stepping over a GIF's blocks; Pillow would join the comments on its way."""

    def palette_bytes(flags):
        return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0

    def byte(at):
        return int.from_bytes(data[at : at + 1], "big")  # 0 past the end, which ends both loops

    frames, at = 0, 13 + palette_bytes(byte(10))
    while byte(at) in b"!,":
        if byte(at) == ord("!"):  # an extension: its kind, then sub-blocks
            at += 2
        else:  # a frame: its place, flags and palette, the code size, then sub-blocks
            frames += 1
            at += 11 + palette_bytes(byte(at + 9))
        while length := byte(at):
            at += 1 + length
        at += 1
    return frames
