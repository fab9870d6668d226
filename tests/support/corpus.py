"""Corpus of upload files: every format the app reads, and files that are broken, disguised or resource-exhausting.

A file's name says what it contains; each function below says how its files must be handled.
"""

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
from photo_files import HOSTILE, chunk, gif_with_comment, gradient, png, red_is_blue, segment, tiff
from photo_files import encoded as encoded_once
from PIL import Image

KB = 1024


def photographic(side=384) -> Image.Image:
    """Smooth with grain, so that no format compresses it to few bytes."""
    grain = np.random.default_rng(0).integers(-25, 25, (side, side, 3))
    smooth = np.asarray(gradient(side, side).resize((side, side)), int)
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def good() -> dict[str, bytes]:
    """Valid photos, however unusual: each must be decoded."""
    image, small = gradient(), Image.new("RGB", (40, 30), (200, 80, 40))
    return {
        "plain.jpg": encoded(image, "JPEG"),
        "progressive.jpg": encoded(image, "JPEG", progressive=True),
        "grey.jpg": encoded(image.convert("L"), "JPEG"),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "444.jpg": encoded(image, "JPEG", subsampling=0, quality=100),
        "restarts.jpg": encoded(image, "JPEG", restart_marker_blocks=1),
        "two pictures.mpo": animated(small, "MPO"),
        "plain.png": encoded(image, "PNG"),
        "palette.png": encoded(image.quantize(32), "PNG"),
        "1 bit.png": encoded(image.convert("1"), "PNG"),
        "16 bit.png": encoded(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16), "PNG"),
        "transparent.png": encoded(Image.new("RGBA", (9, 9), (1, 2, 3, 0)), "PNG"),
        "animated.png": animated(small, "PNG"),
        "lossy.webp": encoded(image, "WebP"),
        "lossless.webp": encoded(image, "WebP", lossless=True),
        "transparent.webp": encoded(Image.new("RGBA", (9, 9), (1, 2, 3, 99)), "WebP"),
        "animated.webp": animated(small, "WebP"),
        "plain.gif": encoded(image, "GIF"),
        "animated.gif": animated(small, "GIF", loop=0),
        "plain.bmp": encoded(image, "BMP"),
        "palette.bmp": encoded(image.quantize(32), "BMP"),
        "transparent.bmp": encoded(image.convert("RGBA"), "BMP"),
        "1 bit.bmp": encoded(image.convert("1"), "BMP"),
        "plain.tif": encoded(image, "TIFF"),
        "big.tif": encoded(image, "TIFF", big_tiff=True),
        "lzw.tif": encoded(image, "TIFF", compression="tiff_lzw"),
        "fax.tif": encoded(image.convert("1"), "TIFF", compression="group4"),
        "pages.tif": animated(small, "TIFF"),
        "lab.tif": encoded(Image.new("LAB", (8, 8), (99, 128, 128)), "TIFF"),
        "nan.tif": floats([np.nan, 0.2, 1.0]),
        "only nan.tif": floats([np.nan] * 3),
        "infinite.tif": floats([np.inf, -np.inf, 1.0]),
        "extreme.tif": floats([3.4e38, -3.4e38, 1e-45]),
        "1 x 1.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "1 x 30000.png": encoded(Image.new("RGB", (1, 30_000), "red"), "PNG"),
        "30000 x 1.jpg": encoded(Image.new("RGB", (30_000, 1), "red"), "JPEG"),
        "1 x 16383.webp": encoded(Image.new("RGB", (1, 16_383), "red"), "WebP"),
        "30000 x 1.gif": encoded(Image.new("P", (30_000, 1)), "GIF"),
        "profile.png": encoded(small, "PNG", icc_profile=red_is_blue()),
        "invalid profile.jpg": encoded(small, "JPEG", icc_profile=b"acsp" * 20_000),
        "truncated profile.webp": encoded(small, "WebP", icc_profile=red_is_blue()[:200]),
        "profile of 3 MB.jpg": encoded(small, "JPEG", icc_profile=red_is_blue() + bytes(3 * 10**6)),
        "invalid exif.jpg": with_exif(b"II*\0" + b"\xff" * 60_000),
        "circular exif.jpg": with_exif(b"II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0"),
        "exif orientation 99.jpg": with_exif(b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x63\0\0\0"),
    }


def disguised() -> dict[str, bytes]:
    """Photos with a misleading name or with other data appended or embedded: decoded by their first bytes."""
    jpeg, page = encoded(gradient(), "JPEG"), b"<html><script>alert(1)</script></html>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("run.sh", "echo")
    return {
        "really a jpeg.png": jpeg,
        "really a png.svg": encoded(gradient(), "PNG"),
        "really a webp.exe": encoded(gradient(), "WebP"),
        "really a gif.php": encoded(gradient(), "GIF"),
        "really a tiff.html": encoded(gradient(), "TIFF"),
        "photo and archive.jpg": jpeg + archive.getvalue(),
        "photo and page.png": encoded(gradient(), "PNG") + page,
        "photo and script.gif": encoded(gradient(), "GIF") + b"*/=alert(1);",
        "script in a comment.jpg": jpeg[:2] + segment(0xFE, b"<?php system($_GET[0]); ?>") + jpeg[2:],
        "document in a comment.jpg": jpeg[:2] + segment(0xFE, b"%PDF-1.7\n1 0 obj") + jpeg[2:],
        "page in a text.png": png(1, 1, 8, 0, b"\0", chunk(b"tEXt", b"Comment\0" + page)),
        "two photos.png": encoded(gradient(), "PNG") * 2,
        "script in a gif's comment.gif": gif_with_comment(before_frame=False)[:-5000] + page,
    }


def no_photos() -> dict[str, bytes]:
    """Files that are not photos, or that must not be opened: refused with one sentence."""
    jpeg = encoded(gradient(), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5  # offset of height and width
    return {
        "empty.jpg": b"",
        "one byte.jpg": b"\xff",
        "zeros.png": bytes(100_000),
        "text.jpg": b"Rudo is an echeveria.\n" * 99,
        "page.jpg": b"<!DOCTYPE html><img src=x onerror=alert(1)>",
        "program.jpg": b"\x7fELF\2\1\1" + bytes(5000),
        "windows program.png": b"MZ\x90\0" + bytes(5000),
        "archive.jpg": b"PK\3\4" + bytes(500),
        "gzip bomb.jpg": gzip.compress(bytes(10**7)),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "drawing with entities.png": (
            b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>'
        ),
        "postscript.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file",
        "script first.gif": b"GIF89a=1;/*" + bytes(50) + b"*/alert(1)",
        "magick.jpg": b"push graphic-context\nfill 'url(http://127.0.0.1/)'\npop graphic-context",
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "video.jpg": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(200),
        "0 x 9.png": png(0, 9, 8, 2, b""),
        "0 x 9.gif": b"GIF89a\0\0\x09\0\0\0\0;",
        "30001 x 1.png": png(30_001, 1, 8, 0, b""),
        "30000 x 30000.png": png(30_000, 30_000, 8, 2, b""),
        "2147483647 x 2147483647.png": png(2**31 - 1, 2**31 - 1, 8, 2, b""),
        "65500 x 65500.jpg": jpeg[:at] + struct.pack(">HH", 65_500, 65_500) + jpeg[at + 4 :],
        "65535 x 65535.gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;",
        "huge frame in a small gif.gif": b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2\x4c\1\0;",
        "40000 rows.bmp": bitmap(10, 40_000, 0, b""),
        "lowest height.bmp": bitmap(10, -(2**31), 0, b""),
        "endless run.bmp": bitmap(8000, 8000, 1, b"\xff\1" * 100_000),
        "a thousand samples.tif": tiff(
            [(256, 4, 1, 9), (257, 4, 1, 9), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1000), (273, 4, 1, 8)], b""
        ),
        "circular directories.tif": b"II*\0\x08\0\0\0\1\0\0\1\3\0\1\0\0\0\1\0\0\0\x08\0\0\0",
        "a canvas of 268 megapixels.webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0" + bytes(8),
    }


def bombs() -> dict[str, bytes]:
    """Small files that are expensive without limits: decoded, or refused with one sentence."""
    row = chunk(b"IDAT", zlib.compress(bytes(10**8), 9))
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    frames = {"save_all": True, "append_images": [Image.new("L", (1, 1), shade % 256) for shade in range(2000)]}
    return {
        "at the pixel limit.png": encoded(Image.new("L", (6300, 6300)), "PNG"),
        "at the pixel limit.gif": encoded(Image.new("P", (6300, 6300)), "GIF"),
        "at the pixel limit.webp": encoded(Image.new("RGB", (4000, 4000)), "WebP", method=0),
        "at the pixel limit.jpg": encoded(Image.new("RGB", (7140, 7140)), "JPEG"),
        "at the pixel limit.tif": encoded(Image.new("RGB", (4000, 4000)), "TIFF", compression="tiff_lzw"),
        "at the pixel limit.bmp": encoded(Image.new("1", (6300, 6300)), "BMP"),
        "a hundred megabytes for one pixel.png": b"".join(
            (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), row, chunk(b"IEND", b""))
        ),
        "thousands of frames.gif": encoded(Image.new("L", (1, 1)), "GIF", **frames),
        "thousands of frames.webp": encoded(Image.new("L", (1, 1)), "WebP", **frames),
        **{f"{name}, from photo_files": make() for name, make in HOSTILE.items()},
    }


def cut_off() -> dict[str, bytes]:
    """Truncated downloads, cut at every kB: refused with one sentence, unless all of the image is there."""
    kinds = {
        "JPEG": {"quality": 95},
        "PNG": {},
        "WebP": {"quality": 95},
        "GIF": {},
        "TIFF": {"compression": "tiff_lzw"},
        "BMP": {},
    }
    whole = {name: encoded(photographic(160), name, **options) for name, options in kinds.items()}
    whole["progressive JPEG"] = encoded(photographic(160), "JPEG", quality=95, progressive=True)
    return {f"{name} cut at {at}": data[:at] for name, data in whole.items() for at in range(KB, len(data) - KB, KB)}


def encoded(image, file_format, **options) -> bytes:
    # a copy: an image keeps the options it was saved with and would reuse them
    return encoded_once(image.copy(), file_format, **options)


def animated(image, file_format, **options) -> bytes:
    others = [image.rotate(angle) for angle in (90, 180, 270)]
    return encoded(image, file_format, save_all=True, append_images=others, **options)


def floats(values) -> bytes:
    return encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")


def with_exif(exif: bytes) -> bytes:
    jpeg = encoded(gradient(), "JPEG")
    return jpeg[:2] + segment(0xE1, b"Exif\0\0" + exif) + jpeg[2:]


def bitmap(width, height, compression, pixels: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, len(pixels), 0, 0, 0, 0) + bytes(1024)
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header)) + header + pixels
