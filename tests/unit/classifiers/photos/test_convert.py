"""Bit depths, modes, transparency, orientation and colour profiles become upright, opaque 8-bit sRGB."""

import struct

import numpy as np
import pytest
from photo_files import chunk, encoded, gradient, png, red_is_blue, segment
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore:.*(EXIF|Truncated)")  # Pillow's warnings about broken tags

RED, WHITE = (255, 0, 0), (255, 255, 255)


def test_16_bit_grey_is_scaled_not_clipped(read):
    values = [0, 128, 129, 257, 32768, 65278, 65535]
    expected = [0, 0, 1, 1, 128, 254, 255]  # v / 257, rounded
    data = struct.pack(">7H", *values)
    assert read(png(7, 1, 16, 0, data)).pixels[0].tolist() == [[v, v, v] for v in expected]
    little = np.array([values], np.uint16)
    photo = read(encoded(Image.fromarray(little), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == expected and photo.notes == ()


@pytest.mark.parametrize(("colour", "pixel", "expected"), [
    (2, (65535, 32768, 0), (255, 128, 0)),
    (6, (65535, 0, 0, 32768), (255, 127, 127)),
    (4, (0, 32768), (127, 127, 127)),
])  # fmt: skip
def test_16_bit_colour_is_scaled(read, colour, pixel, expected):
    pixels = read(png(1, 1, 16, colour, struct.pack(f">{len(pixel)}H", *pixel))).pixels
    assert np.abs(pixels[0, 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("data", "expected"), [
    (png(1, 1, 8, 6, bytes([255, 0, 0, 128])), (255, 127, 127)),  # half red over white
    (png(1, 1, 8, 6, bytes([255, 0, 0, 0])), WHITE),
    (png(1, 1, 8, 6, bytes([255, 0, 0, 255])), RED),
    (png(1, 1, 8, 4, bytes([0, 51])), (204, 204, 204)),  # a fifth of black
    (png(1, 1, 8, 3, b"\0", chunk(b"PLTE", bytes(RED)) + chunk(b"tRNS", b"\x80")), (255, 127, 127)),
    (png(1, 1, 8, 3, b"\0", chunk(b"PLTE", bytes(RED))), RED),
    (png(1, 1, 8, 2, bytes(RED), chunk(b"tRNS", struct.pack(">3H", *RED))), WHITE),  # the colour that is transparent
    (png(1, 1, 8, 0, b"\x40", chunk(b"tRNS", b"\0\x40")), WHITE),
    (png(1, 1, 1, 0, b"\x80"), WHITE),
    (png(1, 1, 2, 0, b"\x40"), (85, 85, 85)),  # 1 of 0 … 3
])  # fmt: skip
def test_transparency_and_low_bit_depths_are_converted(read, data, expected):
    assert np.abs(read(data).pixels[0, 0].astype(int) - expected).max() <= 1


def test_transparency_is_noted_only_where_visible(read):
    assert read(encoded(Image.new("RGBA", (2, 2), (9, 9, 9, 255)), "PNG")).notes == ()
    assert "transparent" in read(encoded(Image.new("RGBA", (2, 2), (9, 9, 9, 254)), "PNG")).notes[0]


def test_transparent_colour_does_not_bleed_when_shrinking(read):
    pixels = np.zeros((4, 4096, 4), np.uint8)
    pixels[:, ::2] = (0, 0, 255, 255)
    pixels[:, 1::2] = (255, 0, 0, 0)
    shown = read(encoded(Image.fromarray(pixels), "PNG")).pixels
    assert np.abs(shown.astype(int) - (127, 127, 255)).max() <= 2  # half blue over white, and no red


@pytest.mark.parametrize(("values", "expected", "white"), [
    ([0.0, 0.5, 1.0], [0, 128, 255], "1"),
    ([0.0, 51.0, 255.0], [0, 51, 255], "255"),
    ([0.0, 257.0, 65535.0], [0, 1, 255], "65535"),
    ([0.0, 50_000.0, 100_000.0], [0, 128, 255], "100000"),
    ([np.nan, np.inf, -np.inf, 1.0, -3.0], [0, 255, 0, 255, 0], "1"),
    ([np.nan, np.nan, np.nan], [0, 0, 0], "1"),
])  # fmt: skip
@pytest.mark.filterwarnings("error")  # NumPy's warning about a cast of NaN
def test_floating_point_tiff_is_scaled_to_its_range(read, values, expected, white):
    photo = read(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == expected
    assert white.rstrip("0") in photo.notes[0] and "white" in photo.notes[0]


def test_32_bit_integers_are_scaled(read):
    photo = read(encoded(Image.fromarray(np.array([[0, 51, 255, -7]], np.int32)), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == [0, 51, 255, 0]


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("1", 1, WHITE),
    ("L", 77, (77, 77, 77)),
    ("LA", (0, 51), (204, 204, 204)),
    ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
    ("CMYK", (0, 255, 0, 128), (127, 0, 127)),
    ("LAB", (255, 128, 128), WHITE),
])  # fmt: skip
def test_tiff_modes_become_rgb(read, mode, colour, expected):
    pixels = read(encoded(Image.new(mode, (8, 8), colour), "TIFF")).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("L", 77, (77, 77, 77)),
    ("CMYK", (255, 0, 0, 0), (0, 255, 255)),  # cyan ink; Adobe's files hold it inverted
    ("CMYK", (0, 0, 255, 128), (127, 127, 0)),
])  # fmt: skip
def test_jpeg_modes_become_rgb(read, mode, colour, expected):
    pixels = read(encoded(Image.new(mode, (16, 16), colour), "JPEG", quality=95)).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 4


def test_ycck_jpeg_becomes_rgb(read):
    """Red's Y, Cb, Cr stored as C, M, Y and declared as YCCK: for Adobe that is red's complement, cyan."""
    stored = (76, 85, 255, 255)
    data = encoded(Image.new("CMYK", (16, 16), tuple(255 - v for v in stored)), "JPEG", quality=100)
    adobe = data.index(b"Adobe")
    assert data[adobe + 11] == 0
    pixels = read(data[: adobe + 11] + b"\2" + data[adobe + 12 :]).pixels
    assert np.abs(pixels.astype(int) - (0, 255, 255)).max() <= 4


STORED = {  # EXIF orientation: how "ABC / DEF" lies in the file
    1: ["ABC", "DEF"], 2: ["CBA", "FED"], 3: ["FED", "CBA"], 4: ["DEF", "ABC"],
    5: ["AD", "BE", "CF"], 6: ["CF", "BE", "AD"], 7: ["FC", "EB", "DA"], 8: ["DA", "EB", "FC"],
}  # fmt: skip


LETTERS = dict(zip("ABCDEF", [(250, 5, 5), (5, 250, 5), (5, 5, 250), (250, 250, 5), (5, 250, 250), (250, 5, 250)]))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WebP", "TIFF", "TIFF in strips"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_is_rotated_upright(read, file_format, orientation):
    cells = np.array([[LETTERS[letter] for letter in row] for row in STORED[orientation]], np.uint8)
    image = Image.fromarray(cells.repeat(16, axis=0).repeat(16, axis=1))
    exif = Image.Exif()
    exif[274] = orientation
    options = {"compression": "tiff_lzw"} if file_format == "TIFF in strips" else {}
    photo = read(encoded(image, file_format.split()[0], exif=exif.tobytes(), **options))
    assert (photo.width, photo.height) == (48, 32)
    expected = [[LETTERS[letter] for letter in row] for row in ("ABC", "DEF")]
    assert np.abs(photo.pixels[8::16, 8::16].astype(int) - expected).max() < 40


@pytest.mark.parametrize("exif", [
    b"", b"II", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"nonsense" * 9,
    b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x63\0\0\0",  # orientation 99
])  # fmt: skip
def test_broken_exif_is_ignored(read, exif):
    image = gradient()
    data = encoded(image, "PNG")
    photo = read(data[:33] + chunk(b"eXIf", exif) + data[33:])
    assert np.array_equal(photo.pixels, np.asarray(image))
    jpeg = encoded(image, "JPEG")
    assert read(jpeg[:2] + segment(0xE1, b"Exif\0\0" + exif) + jpeg[2:]).pixels.shape == (64, 96, 3)


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("RGB", RED, (0, 0, 255)),
    ("RGBA", (255, 0, 0, 128), (127, 127, 255)),
    ("RGBA", (0, 255, 0, 0), WHITE),
])  # fmt: skip
def test_colour_profile_is_applied(read, mode, colour, expected):
    pixels = read(encoded(Image.new(mode, (4, 4), colour), "PNG", icc_profile=red_is_blue())).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    "profile", [b"broken", red_is_blue()[:300], red_is_blue() + bytes(3 * 10**6)], ids=["broken", "cut off", "huge"]
)
def test_broken_or_huge_profile_is_ignored(read, profile):
    pixels = read(encoded(Image.new("RGB", (8, 8), RED), "WebP", lossless=True, icc_profile=profile)).pixels
    assert np.array_equal(pixels, np.full((8, 8, 3), RED))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_profile_for_another_mode_is_ignored(read, mode):
    image = Image.new("L", (16, 16), 100).convert(mode)
    pixels = read(encoded(image, "JPEG", icc_profile=red_is_blue())).pixels
    assert np.abs(pixels.astype(int) - 100).max() <= 3


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGB", "CMYK", "F"])
def test_shrinking_in_bands_leaves_no_seam(read, mode):
    """A ramp from black to white, tall enough for several bands, stays the same ramp."""
    ramp = np.linspace(0, 1, 6000)[:, None].repeat(700, axis=1)
    if mode == "I;16":
        image = Image.fromarray((ramp * 65535).astype(np.uint16))
    elif mode == "F":
        image = Image.fromarray(ramp.astype(np.float32))
    else:
        image = Image.fromarray((ramp * 255).round().astype(np.uint8)).convert(mode)
    shown = read(encoded(image, "TIFF", compression="tiff_adobe_deflate")).pixels
    assert shown.shape == (1024, 119, 3)
    assert np.abs(shown[:, :, 1] - np.linspace(0, 255, 1024)[:, None]).max() <= 2


def test_bands_end_at_block_boundaries(read):
    """Alternating black and white rows average to grey; a band ending within a block would leave a line of either."""
    rows = np.zeros((3000, 3000), np.uint8)
    rows[::2] = 255
    shown = read(encoded(Image.fromarray(rows), "TIFF", compression="packbits")).pixels
    assert np.abs(shown.astype(int) - 127).max() <= 2
