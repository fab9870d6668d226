"""Limits on what reading a photo file may cost: checked before anything is decoded, and metered while it is."""

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

MAX_SIDE = 30_000  # pixels; no camera exceeds it, and some readers allocate many rows at once
MAX_PNG_BYTES = 75 * 10**6  # of unpacked samples, as in 24 megapixels of RGB: filtering takes up to 12 ns for each
MAX_MARKERS = 100_000  # in a JPEG
MAX_SCANS = 40  # of one JPEG: cameras write 1, the web about 10, and only an attack writes thousands
MAX_SAMPLES = 120 * 10**6  # of a JPEG with several scans, between which libjpeg keeps them all in 2 bytes each
MAX_SCAN_WORK = 14 * 10**6  # blocks of 8 × 8 over all scans, plus the file's bytes: up to 45 to 50 ns for each
TOO_MUCH_WORK = "This file takes too much work to read; save the photo smaller, as a plain JPEG, and try again."


class Metered(io.BytesIO):
    """A file in memory with a reading allowance, since a small file can make a reader loop or copy without end."""

    READ_COSTS = 100  # counted as bytes, besides its length: a loop over tiny chunks costs time, not space

    def __init__(self, data: bytes, allowance: int):
        super().__init__(data)
        self.allowance = allowance

    def read(self, size=-1, /):
        data = super().read(size)
        if size is not None and size >= 0:  # read(-1), of everything, happens once, for a decoder in C
            self.allowance -= len(data) + self.READ_COSTS
            if self.allowance < 0:
                raise PhotoError(TOO_MUCH_WORK)
        return data


def check_size(width: int, height: int, file_format: Format) -> None:
    """Refuse a size beyond MAX_SIDE or the format's megapixels."""
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"This photo is longer than {MAX_SIDE} pixels on one side; save it smaller and try again.")
    if width * height > file_format.megapixels * 10**6:
        raise PhotoError(
            f"This {file_format.name} photo has {width} × {height} pixels, more than the "
            f"{file_format.megapixels} million that can be read here; save it smaller and try again."
        )


def check_png_samples(image: PngImageFile) -> None:
    """Refuse a PNG with more samples than can be unpacked in time; those of 16 bits count twice."""
    (_, _, _, raw_mode), *_ = image.tile  # "L", "RGB", "RGBA;16B" …
    assert isinstance(raw_mode, str)
    samples = image.width * image.height * len(raw_mode.partition(";")[0])
    if samples * (2 if "16" in raw_mode else 1) > MAX_PNG_BYTES:
        raise PhotoError(
            f"This PNG photo has {image.width} × {image.height} pixels in more colours or shades than can be read here "
            "at this size; save it smaller, or as JPEG, and try again."
        )


_PLAIN_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, with Huffman coding
_ANY_FRAME = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PROGRESSIVE, _SCAN, _END = 0xC2, 0xDA, 0xD9
_NO_LENGTH = (0x01, 0xD8)  # markers without a length field
_MARKER = re.compile(rb"\xff+([^\xff\0\xd0-\xd7])")  # restart markers are part of a scan


def check_jpeg(image: JpegImageFile, data: bytes) -> None:
    """Refuse a JPEG of a kind that no camera makes, with too many scans, or with too much to hold between its scans.

    libjpeg-turbo 3.1 writes beyond its memory when it shrinks a lossless one.
    """
    frame, progressive, scans = None, False, []  # offset of the frame header; each scan's component ids
    for marker, at in _jpeg_markers(data):
        if marker in _ANY_FRAME:
            if marker not in _PLAIN_FRAMES:
                raise PhotoError(
                    "This JPEG is of a kind that cannot be read here; save the photo as a plain JPEG and try again."
                )
            frame, progressive = at, marker == _PROGRESSIVE
        elif marker == _SCAN:
            scans.append(data[at + 3 : at + 3 + 2 * data[at + 2] : 2])
    if frame is None:
        raise ValueError("no frame header")
    height, width, count = struct.unpack_from(">HHB", data, frame + 3)
    if (width, height) != image.size:
        raise ValueError("Pillow and this reader disagree on the size in the header")
    if not progressive and len(scans[0]) == count:
        return  # one scan: libjpeg keeps nothing, and does not read what follows
    components = data[frame + 8 : frame + 8 + 3 * count]  # id, sampling factors, quantisation table
    density = {name: (factors >> 4) * (factors & 15) for name, factors in zip(components[::3], components[1::3])}
    samples = {name: width * height * share / max(density.values()) for name, share in density.items()}
    blocks = sum(samples[name] for names in scans for name in names) / 64
    if len(scans) > MAX_SCANS or blocks + len(data) > MAX_SCAN_WORK or sum(samples.values()) > MAX_SAMPLES:
        raise PhotoError(TOO_MUCH_WORK)


def _jpeg_markers(data):
    """Each marker and its content's offset, as libjpeg finds them, up to the end of the image; Pillow's way differs."""
    at = 2
    for _ in range(MAX_MARKERS):
        match = _MARKER.search(data, at)
        if not match or match[1][0] == _END:
            return
        marker, at = match[1][0], match.end()
        yield marker, at
        if marker not in _NO_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
    raise PhotoError(TOO_MUCH_WORK)


_TIFF_COMPRESSIONS = {
    "raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "jpeg", "tiff_ccitt", "group3", "group4",
}  # fmt: skip
ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 274, 322, 323  # TIFF tags; EXIF is a TIFF without an image


def check_tiff_storage(image: TiffImageFile, file_format: Format) -> None:
    """Refuse compressions that allocate as they please, and tiles too large: each is decoded whole."""
    if image.info["compression"] not in _TIFF_COMPRESSIONS:
        raise PhotoError("This TIFF is compressed in a way that cannot be read here; save the photo as JPEG or PNG.")
    check_size(image.tag_v2.get(_TILE_WIDTH, 1), image.tag_v2.get(_TILE_LENGTH, 1), file_format)
    if image.mode == "LAB":  # converting it to RGB costs as much as twice the pixels
        check_size(*image.size, replace(file_format, megapixels=file_format.megapixels // 2))


def has_several_frames(image: Image.Image, data: bytes) -> bool:
    """Whether there are more frames or pages. A JPEG's further images, previews and depth maps, do not count."""
    return _gif_frames(data) > 1 if isinstance(image, GifImageFile) else getattr(image, "is_animated", False)


def _gif_frames(data: bytes) -> int:
    """Count frames by skipping over a GIF's blocks; Pillow would concatenate all comments."""

    def palette_bytes(flags):
        return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0

    def byte(at):
        return int.from_bytes(data[at : at + 1], "big")  # 0 past the end, which ends both loops

    frames, at = 0, 13 + palette_bytes(byte(10))
    while byte(at) in b"!,":
        if byte(at) == ord("!"):  # an extension: its type, then sub-blocks
            at += 2
        else:  # a frame: position, flags, palette, code size, then sub-blocks
            frames += 1
            at += 11 + palette_bytes(byte(at + 9))
        while length := byte(at):
            at += 1 + length
        at += 1
    return frames
