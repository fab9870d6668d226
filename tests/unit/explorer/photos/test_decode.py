"""Any file becomes the right upright picture or one plain sentence. Every file is made here, most of them by hand."""

import os
import random
import struct
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from live import ROOT
from photo_files import HOSTILE, check_sentence, chunk, encoded, gradient, png, red_is_blue, segment, tiff_of_10
from PIL import Image, ImageFile

from explorer.photos.convert import SHOWN_SIDE
from explorer.photos.decode import BAR_GREY, Photo, fit_square, read_photo
from explorer.photos.formats import MAX_BYTES, PhotoError

pytestmark = pytest.mark.filterwarnings("ignore:.*(EXIF|Truncated)")  # Pillow's word on broken tags

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture
def read(tmp_path):
    """Read bytes as if they had been uploaded, under a name that says nothing."""

    def from_bytes(data: bytes) -> Photo:
        path = tmp_path / "upload"
        path.write_bytes(data)
        photo = read_photo(str(path))
        assert photo.pixels.dtype == np.uint8 and photo.pixels.ndim == 3 and photo.pixels.shape[2] == 3
        for note in photo.notes:
            check_sentence(note)
        return photo

    return from_bytes


def refusal(read_it, *arguments) -> str:
    with pytest.raises(PhotoError) as caught:
        read_it(*arguments)
    check_sentence(str(caught.value))
    return str(caught.value)


# Formats and modes


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "MPO"])
def test_every_format_gives_its_colour(read, format):
    photo = read(encoded(Image.new("RGB", (40, 30), (200, 80, 40)), format))
    assert photo.pixels.shape == (30, 40, 3) and (photo.width, photo.height) == (40, 30) and photo.notes == ()
    assert np.abs(photo.pixels.astype(int) - (200, 80, 40)).max() <= 3


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_tiff_compressions(read, compression):
    image = gradient()
    pixels = read(encoded(image, "TIFF", compression=compression)).pixels
    assert np.abs(pixels.astype(int) - np.asarray(image)).mean() < 2


def test_a_lossless_photo_within_the_limit_is_untouched(read):
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert np.array_equal(read(encoded(Image.fromarray(pixels), "PNG")).pixels, pixels)


def test_16_bit_grey_is_scaled_not_clipped(read):
    values = [0, 128, 129, 257, 32768, 65278, 65535]
    expected = [0, 0, 1, 1, 128, 254, 255]  # v / 257, rounded
    data = struct.pack(">7H", *values)
    assert read(png(7, 1, 16, 0, data)).pixels[0].tolist() == [[v, v, v] for v in expected]
    little = np.array([values], np.uint16)
    photo = read(encoded(Image.fromarray(little), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == expected and photo.notes == ()


@pytest.mark.parametrize("colour, pixel, expected", [
    (2, (65535, 32768, 0), (255, 128, 0)),
    (6, (65535, 0, 0, 32768), (255, 127, 127)),
    (4, (0, 32768), (127, 127, 127)),
])  # fmt: skip
def test_16_bit_colour(read, colour, pixel, expected):
    pixels = read(png(1, 1, 16, colour, struct.pack(f">{len(pixel)}H", *pixel))).pixels
    assert np.abs(pixels[0, 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("data, expected", [
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
def test_transparency_and_small_depths(read, data, expected):
    assert np.abs(read(data).pixels[0, 0].astype(int) - expected).max() <= 1


def test_transparency_is_said_only_where_it_shows(read):
    assert read(encoded(Image.new("RGBA", (2, 2), (9, 9, 9, 255)), "PNG")).notes == ()
    assert "transparent" in read(encoded(Image.new("RGBA", (2, 2), (9, 9, 9, 254)), "PNG")).notes[0]


def test_invisible_colour_does_not_bleed_when_shrinking(read):
    pixels = np.zeros((4, 4096, 4), np.uint8)
    pixels[:, ::2] = (0, 0, 255, 255)
    pixels[:, 1::2] = (255, 0, 0, 0)
    shown = read(encoded(Image.fromarray(pixels), "PNG")).pixels
    assert np.abs(shown.astype(int) - (127, 127, 255)).max() <= 2  # half blue over white, and no red


@pytest.mark.parametrize("values, expected, white", [
    ([0.0, 0.5, 1.0], [0, 128, 255], "1"),
    ([0.0, 51.0, 255.0], [0, 51, 255], "255"),
    ([0.0, 257.0, 65535.0], [0, 1, 255], "65535"),
    ([0.0, 50_000.0, 100_000.0], [0, 128, 255], "100000"),
    ([np.nan, np.inf, -np.inf, 1.0, -3.0], [0, 255, 0, 255, 0], "1"),
    ([np.nan, np.nan, np.nan], [0, 0, 0], "1"),
])  # fmt: skip
@pytest.mark.filterwarnings("error")  # NumPy's word on a cast of not-a-number
def test_floating_point_tiff(read, values, expected, white):
    photo = read(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == expected
    assert white.rstrip("0") in photo.notes[0] and "white" in photo.notes[0]


def test_32_bit_integers(read):
    photo = read(encoded(Image.fromarray(np.array([[0, 51, 255, -7]], np.int32)), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == [0, 51, 255, 0]


@pytest.mark.parametrize("mode, colour, expected", [
    ("1", 1, WHITE),
    ("L", 77, (77, 77, 77)),
    ("LA", (0, 51), (204, 204, 204)),
    ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
    ("CMYK", (0, 255, 0, 128), (127, 0, 127)),
    ("LAB", (255, 128, 128), WHITE),
])  # fmt: skip
def test_tiff_modes(read, mode, colour, expected):
    pixels = read(encoded(Image.new(mode, (8, 8), colour), "TIFF")).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("mode, colour, expected", [
    ("L", 77, (77, 77, 77)),
    ("CMYK", (255, 0, 0, 0), (0, 255, 255)),  # cyan ink; Adobe's files hold it inverted
    ("CMYK", (0, 0, 255, 128), (127, 127, 0)),
])  # fmt: skip
def test_jpeg_modes(read, mode, colour, expected):
    pixels = read(encoded(Image.new(mode, (16, 16), colour), "JPEG", quality=95)).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 4


def test_ycck_jpeg(read):
    """Write red's Y, Cb, Cr in the place of C, M, Y and declare it: Adobe means red's complement, cyan."""
    stored = (76, 85, 255, 255)
    data = encoded(Image.new("CMYK", (16, 16), tuple(255 - v for v in stored)), "JPEG", quality=100)
    adobe = data.index(b"Adobe")
    assert data[adobe + 11] == 0
    pixels = read(data[: adobe + 11] + b"\2" + data[adobe + 12 :]).pixels
    assert np.abs(pixels.astype(int) - (0, 255, 255)).max() <= 4


# Orientation and colour profiles

STORED = {  # EXIF orientation: how "ABC / DEF" lies in the file
    1: ["ABC", "DEF"], 2: ["CBA", "FED"], 3: ["FED", "CBA"], 4: ["DEF", "ABC"],
    5: ["AD", "BE", "CF"], 6: ["CF", "BE", "AD"], 7: ["FC", "EB", "DA"], 8: ["DA", "EB", "FC"],
}  # fmt: skip
LETTERS = dict(zip("ABCDEF", [(250, 5, 5), (5, 250, 5), (5, 5, 250), (250, 250, 5), (5, 250, 250), (250, 5, 250)]))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "TIFF", "TIFF in strips"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_is_made_upright(read, format, orientation):
    cells = np.array([[LETTERS[letter] for letter in row] for row in STORED[orientation]], np.uint8)
    image = Image.fromarray(cells.repeat(16, axis=0).repeat(16, axis=1))
    exif = Image.Exif()
    exif[274] = orientation
    options = {"compression": "tiff_lzw"} if format == "TIFF in strips" else {}
    photo = read(encoded(image, format.split()[0], exif=exif.tobytes(), **options))
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


@pytest.mark.parametrize("mode, colour, expected", [
    ("RGB", RED, (0, 0, 255)),
    ("RGBA", (255, 0, 0, 128), (127, 127, 255)),
    ("RGBA", (0, 255, 0, 0), WHITE),
])  # fmt: skip
def test_a_colour_profile_is_followed(read, mode, colour, expected):
    pixels = read(encoded(Image.new(mode, (4, 4), colour), "PNG", icc_profile=red_is_blue())).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    "profile", [b"broken", red_is_blue()[:300], red_is_blue() + bytes(3 * 10**6)], ids=["broken", "cut off", "huge"]
)
def test_a_broken_or_huge_profile_is_ignored(read, profile):
    pixels = read(encoded(Image.new("RGB", (8, 8), RED), "WebP", lossless=True, icc_profile=profile)).pixels
    assert np.array_equal(pixels, np.full((8, 8, 3), RED))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_for_other_colours_is_ignored(read, mode):
    image = Image.new("L", (16, 16), 100).convert(mode)
    pixels = read(encoded(image, "JPEG", icc_profile=red_is_blue())).pixels
    assert np.abs(pixels.astype(int) - 100).max() <= 3


# Sizes and frames


@pytest.mark.parametrize("width, height, shown", [
    (1, 1, (1, 1)), (1, 5000, (1024, 1)), (4000, 300, (77, 1024)), (1024, 700, (700, 1024)), (1025, 1, (1, 1024)),
    (29_999, 2, (1, 1024)), (2300, 2500, (1024, 942)),
])  # fmt: skip
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_proportions_are_kept(read, format, width, height, shown):
    photo = read(encoded(Image.new("RGB", (width, height), (200, 80, 40)), format))
    assert photo.pixels.shape == (*shown, 3) and (photo.width, photo.height) == (width, height)
    assert np.abs(photo.pixels.astype(int) - (200, 80, 40)).max() <= 3


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGB", "CMYK", "F"])
def test_shrinking_in_bands_leaves_no_seam(read, mode):
    """A ramp from black to white, tall enough for several bands, comes out as the same ramp."""
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


def test_bands_meet_between_averaged_blocks(read):
    """Alternate black and white rows average to grey; a band ending within a block would leave a line of either."""
    rows = np.zeros((3000, 3000), np.uint8)
    rows[::2] = 255
    shown = read(encoded(Image.fromarray(rows), "TIFF", compression="packbits")).pixels
    assert np.abs(shown.astype(int) - 127).max() <= 2


def test_a_phones_largest_photo_is_read(read):
    photo = read(encoded(Image.new("L", (8192, 6144), 90), "JPEG"))
    assert (photo.width, photo.height) == (8192, 6144) and photo.pixels.shape == (768, SHOWN_SIDE, 3)
    assert np.abs(photo.pixels.astype(int) - 90).max() <= 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_the_largest_photos_stay_under_300_mb(tmp_path, kind):
    image, options = {
        "JPEG": (Image.new("RGB", (8192, 6144), RED), {"progressive": True}),
        "PNG": (Image.new("RGBA", (5000, 3000), RED), {"compress_level": 1}),
        "WebP": (Image.new("RGBA", (3600, 3600), (255, 0, 0, 99)), {"method": 0}),
    }[kind]
    (tmp_path / "large").write_bytes(encoded(image, kind, **options))
    program = """
import sys
from explorer.photos.decode import read_photo
memory = lambda field: int(open("/proc/self/status").read().split(field)[1].split()[0])
idle = memory("VmRSS:")
read_photo(sys.argv[1])
print(memory("VmHWM:") - idle)
"""
    command = [sys.executable, "-c", program, tmp_path / "large"]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    assert kilobytes < 300_000


@pytest.mark.parametrize("format, options", [
    ("GIF", {"duration": 50}), ("GIF", {}), ("GIF", {"loop": 0}),
    ("WebP", {"lossless": True}), ("PNG", {}), ("TIFF", {}),
])  # fmt: skip
def test_the_first_of_several_pictures_is_used_and_said(read, format, options):
    frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    for count in (2, 3):
        photo = read(encoded(frames[0], format, save_all=True, append_images=frames[1:count], **options))
        assert np.array_equal(photo.pixels, np.full((10, 20, 3), RED))
        assert "several pictures" in photo.notes[0]


# Refusals

JP2, FTYP = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), b"\0\0\0\x18ftyp%b\0\0\0\0mif1" + bytes(40)


@pytest.mark.parametrize("data, named", [
    (b"", "empty"),
    (b"\xff", "not a photo"),
    (b"BMW makes cars, and this is only text about them.", "not a photo"),
    (b"Rudo is an echeveria.\n" * 50, "not a photo"),
    (bytes(5000), "not a photo"),
    (b"PK\3\4" + bytes(50), "not a photo"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a photo"),  # never handed to Ghostscript
    (FTYP.replace(b"%b", b"isom"), "not a photo"),  # an MP4
    (b"%PDF-1.7\n", "PDF"),
    (b"8BPS\0\1" + bytes(50), "Photoshop"),
    (FTYP.replace(b"%b", b"heic"), "HEIC"),
    (FTYP.replace(b"%b", b"mif1"), "HEIC"),
    (FTYP.replace(b"%b", b"avif"), "AVIF"),
    (JP2, "JPEG 2000"),
    (encoded(Image.new("RGB", (16, 16)), "ICO"), "ICO"),
    (b"\xff\x0a" + bytes(20), "JPEG XL"),
    (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing"),
    (b"\xff\xd8\xff" + bytes(300), "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "WebP"),
    (b"GIF89a", "GIF"),
    (b"II*\0\x08\0\0\0", "TIFF"),
])  # fmt: skip
def test_what_is_not_a_photo_is_named(read, data, named):
    assert named in refusal(read, data)


def test_no_file(tmp_path):
    assert "No photo" in refusal(read_photo, None)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for missing in ("", tmp_path, tmp_path / "gone.jpg", tmp_path / "pipe", "a\0b", "x" * 5000):
        assert "upload it again" in refusal(read_photo, missing)


def test_too_many_bytes(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "20 MB" in refusal(read_photo, path)


@pytest.mark.parametrize("data, words", [
    (png(30000, 30000, 8, 2, b"", b""), "30000 × 30000"),
    (png(8000, 6000, 8, 2, b""), "8000 × 6000"),
    (png(10**6, 1, 8, 2, b""), "longer"),
    (encoded(Image.new("1", (4100, 4100)), "TIFF", compression="group4"), "4100 × 4100"),
    (encoded(Image.new("RGB", (4096, 4000)), "WebP", quality=0, method=0), "4096 × 4000"),
])  # fmt: skip
def test_too_many_pixels_are_refused_from_the_header(read, data, words):
    start = time.process_time()
    assert words in refusal(read, data)
    assert time.process_time() - start < 1


def test_a_rare_tiff_compression_is_refused(read):
    assert "compressed" in refusal(read, tiff_of_10((259, 3, 1, 50000), (273, 4, 1, 8)))  # Zstandard


@pytest.mark.parametrize("format, options", [
    ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}),
    ("WebP", {}), ("WebP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
])  # fmt: skip
def test_a_cut_off_file_is_refused_or_whole(read, format, options):
    data = encoded(gradient(), format, **options)
    whole = read(data).pixels
    refused = 0
    lengths = {*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 20, len(data))}
    for length in lengths:
        try:
            pixels = read(data[:length]).pixels
        except PhotoError as error:
            check_sentence(str(error))
            refused += 1
        else:
            assert np.array_equal(pixels, whole), f"half decoded at {length} of {len(data)} bytes"
    assert refused > len(lengths) * 0.5


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WebP", "TIFF"])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_never_raises_anything_else(read, format):
    """Overwrite random bytes, mostly in the header: a picture or a sentence, and nothing else."""
    chance = random.Random(format)
    data = encoded(gradient(), format)
    for _ in range(100):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(min(len(data), chance.choice((60, 400, len(data)))))] = chance.randrange(256)
        try:
            read(bytes(damaged))
        except PhotoError as error:
            check_sentence(str(error))


# Files built to exhaust the reader; each took seconds or gigabytes in Pillow alone


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.filterwarnings("ignore")
def test_a_hostile_file_costs_little(read, kind):
    data = HOSTILE[kind]()
    tracemalloc.start()
    start = time.process_time()
    try:
        assert read(data).pixels.size
    except PhotoError as error:
        check_sentence(str(error))
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 3 and peak < len(data) * 3 + 100e6, (seconds, peak)  # slower than usual under tracemalloc


# As the network sees it


def test_a_square_that_fits_is_identical():
    pixels = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    square = fit_square(pixels, 256)
    assert np.array_equal(square.pixels, pixels) and square.box == (0, 0, 256, 256) and square.note == ""


@pytest.mark.parametrize("width, height, side, box, where", [
    (4000, 300, 256, (0, 118, 256, 137), "above and below"),  # 256 × 300 / 4000 = 19.2 rows; 118 above
    (300, 4000, 256, (118, 0, 137, 256), "left and right"),
    (5000, 1, 256, (0, 127, 256, 128), "above and below"),
    (30, 60, 224, (56, 0, 168, 224), "left and right"),  # enlarged
    (256, 192, 256, (0, 32, 256, 224), "above and below"),
])  # fmt: skip
def test_letterbox_geometry(width, height, side, box, where):
    square = fit_square(np.full((height, width, 3), RED, np.uint8), side)
    left, top, right, bottom = square.box
    assert square.box == box and square.pixels.shape == (side, side, 3)
    assert np.array_equal(square.pixels[top:bottom, left:right], np.full((bottom - top, right - left, 3), RED))
    bars = np.ones((side, side), bool)
    bars[top:bottom, left:right] = False
    assert (square.pixels[bars] == BAR_GREY).all() and where in square.note
    check_sentence(square.note)


def test_a_photo_whose_long_side_fits_is_not_resampled():
    pixels = np.random.default_rng(2).integers(0, 256, (100, 256, 3), np.uint8)
    assert np.array_equal(fit_square(pixels, 256).pixels[78:178], pixels)


def test_shrinking_averages_fine_detail():
    board = (np.indices((1024, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    inner = fit_square(board, 256).pixels[4:-4, 4:-4]
    assert np.abs(inner.astype(int) - 127).max() <= 2  # picking pixels would give 0 or 255


@pytest.mark.parametrize("pixel", [(0, 0, 0), (12, 200, 99)])
def test_one_pixel_becomes_one_colour(pixel):
    square = fit_square(np.array([[pixel]], np.uint8), 256)
    assert np.array_equal(square.pixels, np.full((256, 256, 3), pixel)) and square.note == ""


# Company


def test_threads_do_not_mix(tmp_path):
    paths = []
    for i, format in enumerate(["PNG", "JPEG", "GIF", "WebP", "TIFF", "BMP"] * 4):
        paths.append(tmp_path / str(i))
        paths[-1].write_bytes(encoded(Image.new("RGB", (300 + i, 200), (10 * i, 255 - 10 * i, 100)), format))
    broken = tmp_path / "broken"
    broken.write_bytes(paths[0].read_bytes()[:150])

    def look(i):
        if i % 5 == 0:
            return isinstance(pytest.raises(PhotoError, read_photo, broken).value, PhotoError)
        photo = read_photo(paths[i])
        return photo.width == 300 + i and np.abs(photo.pixels.astype(int) - (10 * i, 255 - 10 * i, 100)).max() <= 5

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, list(range(24)) * 2))


def test_pillows_settings_are_left_alone(read):
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    read(encoded(gradient(), "JPEG"))
    refusal(read, encoded(gradient(), "JPEG")[:-400])
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before == (89478485, False)
