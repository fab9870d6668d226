"""From an uploaded file to the picture a network can see, or one plain sentence that says why not.

A visitor's file is untrusted twice over: it may be anything (a renamed PDF, half a download), and it may be built to
exhaust the server. So only six formats are tried, each only when the file's first bytes announce it, and nothing is
decoded before its cost is known.
"""

import io
import math
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

__all__ = ["Photo", "PhotoError", "Square", "fit_square", "read_photo"]

SHOWN_SIDE = 1024  # the long side kept: enough to look at, and four times what a network sees
BAR_GREY = 128  # fills a letterbox: the middle of the range, so that a bar is evidence for as little as possible

# With these, and the megapixels below, any accepted file was measured to take less than 300 MB and 1 s of the processor.
MAX_BYTES = 20 * 10**6
MAX_SIDE = 30_000  # pixels; no camera passes it, and some readers allocate many rows at once
MAX_PNG_BYTES = 75 * 10**6  # of its samples, unpacked, as in 24 megapixels of RGB: the filter takes 12 ns for each at worst
MAX_MARKERS = 100_000  # in a JPEG
MAX_PASSES = 40  # over one JPEG: cameras make 1, the web about 10, and only a trap makes thousands
MAX_SAMPLES = 120 * 10**6  # of a JPEG in several passes, between which libjpeg holds them all in 2 bytes each
MAX_PASS_WORK = 14 * 10**6  # blocks of 8 × 8 over all passes, and the file's bytes: 45 to 50 ns for each at worst
MAX_PROFILE_BYTES = 2 * 10**6  # printers' colour profiles reach this; larger ones are ignored


class PhotoError(ValueError):
    """A file that cannot be used. The message is one sentence for the visitor: what was wrong, and what to do."""


@dataclass(frozen=True)
class Photo:
    """A picture ready to show: upright, opaque, sRGB, without metadata."""

    pixels: np.ndarray  # [H, W, 3] uint8, the long side at most SHOWN_SIDE
    width: int  # of the original, upright
    height: int
    notes: tuple[str, ...] = ()  # sentences for the visitor about choices made in reading; usually none


@dataclass(frozen=True)
class Square:
    """A photo as a network sees it: whole, its proportions kept, grey bars making it square."""

    pixels: np.ndarray  # [side, side, 3] uint8
    box: tuple[int, int, int, int]  # left, top, right, bottom of the photo between its bars
    note: str  # a sentence for the visitor about the bars, "" where there are none


def read_photo(path) -> Photo:
    """Read the picture at `path`, whatever its name. Raises PhotoError for anything that is not a readable photo."""
    data = _bytes_at(path)
    format = _format_of(data[:1024])
    try:
        return _decode(data, format)
    except PhotoError:
        raise
    except Exception as error:  # Pillow lets many kinds escape: OSError, SyntaxError, struct.error, MemoryError …
        raise PhotoError(
            f"This {format.name} file is cut off, damaged or of an unusual kind; open it in a photo program, save it "
            "as JPEG or PNG, and try again."
        ) from error


def fit_square(pixels: np.ndarray, side: int) -> Square:
    """Letterbox `pixels` [H, W, 3] uint8 into side × side. Where nothing must change, nothing does, bit for bit."""
    height, width = pixels.shape[:2]
    width, height = _scaled((width, height), side)
    photo = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)  # antialiased; else a plain copy
    left, top = (side - width) // 2, (side - height) // 2
    square = np.full((side, side, 3), BAR_GREY, np.uint8)
    square[top : top + height, left : left + width] = np.asarray(photo)
    return Square(square, (left, top, left + width, top + height), _bars_note(width, height))


def _bars_note(width: int, height: int) -> str:
    if width == height:
        return ""
    where = "left and right of" if width < height else "above and below"
    return f"The photo is not square, so the network sees it whole with grey bars {where} it."


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The same proportions with the long side at `side`, and never thinner than a pixel."""
    return tuple(max(1, round(length * side / max(size))) for length in size)


# What the file is


class _Jpeg(JpegImageFile):
    """Pillow's reader without its look into EXIF, which copies each tag's data, and all may name the same megabyte."""

    def _read_dpi_from_exif(self):
        pass


class _Tiff(TiffImageFile):
    """Pillow's reader without its rereading of all tags and its own turning: a TIFF is turned like any other photo."""

    def _open(self):
        super()._open()
        self._size = self._tile_size  # as stored, where Pillow announces it turned

    def load_end(self):
        pass


@dataclass(frozen=True)
class _Format:
    name: str
    begins: bytes  # a pattern for its first bytes
    reader: type
    megapixels: int  # the most that are decoded
    header_bytes: int = 4 * 10**6  # the most that are read before: a TIFF's tags take many times their size


_FORMATS = (
    _Format("JPEG", rb"\xff\xd8\xff", _Jpeg, 51, header_bytes=MAX_BYTES),  # some cameras keep a depth map up there
    _Format("PNG", rb"\x89PNG\r\n\x1a\n", PngImageFile, 40),
    _Format("WebP", rb"RIFF....WEBP", WebPImageFile, 13),
    _Format("GIF", rb"GIF8[79]a", GifImageFile, 40, header_bytes=10**6),  # a comment takes time quadratic in its length
    _Format("BMP", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", BmpImageFile, 40),
    _Format("TIFF", rb"II[*+]\0|MM\0[*+]", _Tiff, 16),
)

# Named so that the visitor knows what to do. Pillow could read AVIF, JPEG 2000 and ICO, but each holds a second size
# inside that its header need not confess: an AVIF of 3 KB that says 100 × 100 took half a gigabyte.
_REFUSED = {
    "HEIC": rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)",
    "AVIF": rb"....ftypavi[fs]",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "JPEG XL": rb"\0\0\0\x0cJXL |\xff\x0a",
    "ICO": rb"\0\0[\1\2]\0",
    "Photoshop": rb"8BPS",
    "PDF": rb"%PDF",
}


def _bytes_at(path) -> bytes:
    if path is None:
        raise PhotoError("No photo was given; choose one first.")
    try:
        path = Path(path)
        if not path.is_file():  # a pipe or a device would never end
            raise FileNotFoundError
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        raise PhotoError("The photo could not be found or opened; upload it again.") from None
    if not data:
        raise PhotoError("This file is empty; upload the photo again.")
    if len(data) > MAX_BYTES:
        raise PhotoError(f"This file is larger than {MAX_BYTES // 10**6} MB; save the photo smaller and try again.")
    return data


def _format_of(head: bytes) -> _Format:
    """Choose by the first bytes, for a name proves nothing."""
    for format in _FORMATS:
        if re.match(format.begins, head, re.DOTALL):
            return format
    for name, begins in _REFUSED.items():
        if re.match(begins, head, re.DOTALL):
            raise PhotoError(f"{name} files cannot be read here; save the photo as JPEG or PNG and try again.")
    if re.search(rb"<svg[\s>]", head, re.IGNORECASE):
        raise PhotoError("This SVG file is a drawing, not a photo; export it as PNG and try again.")
    raise PhotoError("This file is not a photo that can be read here; choose a JPEG or PNG.")


# Decoding, within bounds

_TOO_MUCH_WORK = "This file takes too much work to read; save the photo smaller, as a plain JPEG, and try again."


class _Metered(io.BytesIO):
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
                raise PhotoError(_TOO_MUCH_WORK)
        return data


def _decode(data: bytes, format: _Format) -> Photo:
    image, (width, height) = _loaded(data, format)
    notes = []
    if _holds_several(image, data):
        notes.append("This file holds several pictures; the first is used.")
    small = _reduced(image)
    if small.mode in ("I", "F"):
        full_scale = 65535 if image.mode.startswith("I;16") else None
        small, white = _eight_bit(small, full_scale)
        if full_scale is None:
            notes.append(f"This photo's values have no agreed range; {white:g} is shown as white.")
    if small.mode == "RGBA" and small.getextrema()[3][0] < 255:
        notes.append("This photo's transparent parts are shown over white.")
    small = _over_white(small, image.info.get("icc_profile"))

    turn = _orientation(image)
    if turn in _TURNS:
        small = small.transpose(_TURNS[turn])
    if turn in _SIDEWAYS:
        width, height = height, width
    if max(width, height) > SHOWN_SIDE:
        small = small.resize(_scaled((width, height), SHOWN_SIDE), Image.Resampling.LANCZOS)
    return Photo(np.array(small), width, height, tuple(notes))


def _loaded(data: bytes, format: _Format) -> tuple[Image.Image, tuple[int, int]]:
    """The decoded picture, and its size in the file: a large JPEG comes back smaller."""
    stream = _Metered(data, format.header_bytes)
    image = format.reader(stream)  # the header only
    size = image.size
    _check_size(*size, format)
    if format.reader is PngImageFile:
        _check_png_samples(image)
    if format.reader is _Jpeg:
        _check_jpeg(image, data)
        image.draft(None, _scaled(size, SHOWN_SIDE))  # libjpeg shrinks by 2, 4 or 8 while it decodes
    if format.reader is _Tiff:
        _check_tiff_storage(image, format)
    stream.allowance = len(data) + 50_000 * stream.READ_COSTS  # the file once, in pieces of 400 bytes or more
    image.load()
    return image, size


def _check_size(width: int, height: int, format: _Format) -> None:
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"This photo is longer than {MAX_SIDE} pixels on one side; save it smaller and try again.")
    if width * height > format.megapixels * 10**6:
        raise PhotoError(
            f"This {format.name} photo has {width} × {height} pixels, more than the {format.megapixels} million that "
            "can be read here; save it smaller and try again."
        )


def _check_png_samples(image: PngImageFile) -> None:
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


def _check_jpeg(image: JpegImageFile, data: bytes) -> None:
    """Refuse a JPEG of a kind that no camera makes, or that passes over the picture too often or holds too much between its passes.

    libjpeg-turbo 3.1 writes beyond its memory when it shrinks a lossless one.
    """
    frame, scans = None, []  # where they begin
    for marker, at in _jpeg_markers(data):
        if marker in _ANY_JPEG:
            if marker not in _PLAIN_JPEG:
                raise PhotoError("This JPEG is of a kind that cannot be read here; save the photo as a plain JPEG and try again.")
            frame, progressive = at, marker == _PROGRESSIVE
        elif marker == _SCAN:
            scans.append(data[at + 3 : at + 3 + 2 * data[at + 2] : 2])  # the names of its components
    height, width, count = struct.unpack_from(">HHB", data, frame + 3)
    if (width, height) != image.size:
        raise ValueError("two readers of the header disagree")
    parts = {name: (shape >> 4) * (shape & 15) for name, shape, _ in zip(*[iter(data[frame + 8 : frame + 8 + 3 * count])] * 3)}
    if not progressive and len(scans[0]) == count:
        return  # nothing is held, and what follows is not read
    samples = {name: width * height * part / max(parts.values()) for name, part in parts.items()}
    blocks = sum(samples[name] for names in scans for name in names) / 64
    if len(scans) > MAX_PASSES or blocks + len(data) > MAX_PASS_WORK or sum(samples.values()) > MAX_SAMPLES:
        raise PhotoError(_TOO_MUCH_WORK)


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
    raise PhotoError(_TOO_MUCH_WORK)


_TIFF_COMPRESSIONS = {
    "raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "jpeg", "tiff_ccitt", "group3", "group4",
}  # fmt: skip
_ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 274, 322, 323  # TIFF tags; EXIF is a TIFF without a picture


def _check_tiff_storage(image: TiffImageFile, format: _Format) -> None:
    """Refuse compressions that choose their own memory, and tiles too large: each is decoded whole."""
    if image.info["compression"] not in _TIFF_COMPRESSIONS:
        raise PhotoError("This TIFF is compressed in a way that cannot be read here; save the photo as JPEG or PNG.")
    _check_size(image.tag_v2.get(_TILE_WIDTH, 1), image.tag_v2.get(_TILE_LENGTH, 1), format)
    if image.mode == "LAB":  # to become RGB costs as much as twice the pixels
        _check_size(*image.size, replace(format, megapixels=format.megapixels // 2))


def _holds_several(image: Image.Image, data: bytes) -> bool:
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


# From Pillow's many modes to upright sRGB


def _reduced(image: Image.Image) -> Image.Image:
    """Average whole blocks of pixels until the long side is at most twice SHOWN_SIDE; a last resize does the rest.

    Done in bands of rows, because palettes and transparency must be resolved before pixels may be averaged, and doing
    so at once would double the memory of a large photo.
    """
    factor = math.ceil(max(image.size) / (2 * SHOWN_SIDE))
    rows = factor * max(1, 2**20 // (factor * image.width))
    bands = []
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        bands.append(_averageable(band).reduce(factor))
    whole = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        whole.paste(band, (0, top))
        top += band.height
    return whole


def _averageable(band: Image.Image) -> Image.Image:
    """The same pixels in L, RGB, RGBA or CMYK, or in I or F where 8 bits cannot hold them."""
    if band.mode.startswith("I;16"):
        return band.convert("I")
    if band.has_transparency_data:
        return band.convert("RGBA")
    return band if band.mode in ("L", "RGB", "CMYK", "I", "F") else band.convert("RGB")


def _eight_bit(image: Image.Image, full_scale: float | None) -> tuple[Image.Image, float]:
    """Scale I or F to L, and say which value became white. Pillow's own conversion would clip at 255.

    Where no full scale is agreed, it is the smallest customary one that holds every value: 1, 255 or 65535, else the
    largest value. Below 0 and not-a-number are black, infinity is white.
    """
    values = np.asarray(image, np.float64)
    if full_scale is None:
        top = values.max(initial=0, where=np.isfinite(values))
        full_scale = next((scale for scale in (1, 255, 65535) if top <= scale), top)
    values = np.nan_to_num(values * (255 / full_scale)).clip(0, 255)
    return Image.fromarray(values.round().astype(np.uint8)), full_scale


def _over_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Opaque sRGB from L, RGB, RGBA or CMYK."""
    if image.mode != "RGBA":
        return _srgb(image, profile)
    white = Image.new("RGB", image.size, "white")
    white.paste(_srgb(image.convert("RGB"), profile), mask=image.getchannel("A"))
    return white


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Follow the colour profile (wide-gamut cameras, print), or do without one that is broken or for other colours."""
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return image.convert("RGB")


_SIDEWAYS = (5, 6, 7, 8)
_TURNS = {  # the orientation in EXIF: what makes it upright; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(image: Image.Image) -> int:
    """The orientation, 1 where it is missing or broken. EXIF is read by hand for the reason given at `_Jpeg`."""
    if isinstance(image, TiffImageFile):
        return image.tag_v2.get(_ORIENTATION, 1)
    exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value
    except struct.error:  # it ends too early
        pass
    return 1
