"""Photo files, valid and hostile, written byte by byte where a library would refuse to write them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms


def encoded(image, file_format, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, pixels: bytes, before=b"", after=b"") -> bytes:
    """A hand-written PNG: `pixels` row by row, `colour` 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA."""
    row = len(pixels) // height
    rows = b"".join(b"\0" + pixels[at : at + row] for at in range(0, len(pixels), row)) if row else b""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = before + chunk(b"IDAT", zlib.compress(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def tiff(tags, rest: bytes) -> bytes:
    """A hand-written little-endian TIFF: tags of (number, kind, count, value or offset), then `rest`."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + rest


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def check_sentence(text):
    assert text[0].isupper() and text.endswith(".") and ". " not in text and "\n" not in text, text
    for leak in ("Error", "Traceback", "Pillow", "/", "\\", "upload'", "<", "0x"):
        assert leak not in text, text


def gradient(width=96, height=64) -> Image.Image:
    """Smooth, colourful and different everywhere, so that lossy formats preserve it and a truncation shows."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 2, y * 3, 255 - x - y], axis=-1).astype(np.uint8))


def red_is_blue() -> bytes:
    """The sRGB profile with two primaries exchanged: red and blue are swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ", 128), profile.index(b"bXYZ", 128)
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def many_tags_over_one_block(size, count=20_000) -> list[tuple[int, int, int, int]]:
    return [(i + 1000, 1, size // 2, size // 2) for i in range(count)]


def exif_bomb():
    """EXIF over many segments, whose 20,000 tags all refer to the same megabyte."""
    exif = tiff(many_tags_over_one_block(2_000_000), b"")
    exif += bytes(2_000_000 - len(exif))
    parts = (exif[at : at + 65_000] for at in range(0, len(exif), 65_000))
    jpeg = encoded(Image.new("RGB", (8, 8)), "JPEG")
    return jpeg[:2] + b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts) + jpeg[20:]  # without JFIF's dpi


def tiff_of_10(*tags, rest=b""):
    plain = {tag[0]: tag for tag in ((256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (262, 3, 1, 1), *tags)}
    return tiff(list(plain.values()), rest)


def endless_scans():
    jpeg = encoded(Image.new("RGB", (4000, 3000)), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * 5000 + jpeg[-2:]


def gif_with_comment(before_frame):
    gif = encoded(Image.new("P", (8, 8)), "GIF")
    at = gif.index(b",\0\0\0\0") if before_frame else len(gif) - 1
    return gif[:at] + b"!\xfe" + (b"\xff" + b"c" * 255) * 40_000 + b"\0" + gif[at:]


HOSTILE = {
    "EXIF": exif_bomb,
    "TIFF tags": lambda: tiff_of_10(*many_tags_over_one_block(2_000_000), (273, 4, 1, 8), rest=bytes(2_000_000)),
    "TIFF strips": lambda: tiff_of_10((273, 4, 2_000_000, 8), rest=bytes(8_000_000)),
    "TIFF tile": lambda: tiff_of_10((322, 4, 1, 25_000), (323, 4, 1, 25_000), (324, 4, 1, 8), (325, 4, 1, 9)),
    "JPEG scans": endless_scans,
    "JPEG comments": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000,
    "JPEG filler": lambda: b"\xff\xd8\xff\xe0\0\2" + bytes(5_000_000),
    "PNG chunks": lambda: png(1, 1, 8, 0, b"\0", chunk(b"abCd", b"") * 300_000),
    "PNG chunks at the end": lambda: png(1, 1, 8, 0, b"\0", after=chunk(b"abCd", b"") * 300_000),
    "PNG text": lambda: png(1, 1, 8, 0, b"\0", chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8)))),
    "PNG texts": lambda: png(1, 1, 8, 0, b"\0", chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6))) * 500),
    "PNG profile": lambda: png(1, 1, 8, 0, b"\0", chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))),
    "GIF comment": lambda: gif_with_comment(before_frame=True),
    "GIF comment at the end": lambda: gif_with_comment(before_frame=False),
}
