"""Files are decoded to upright RGB arrays or refused, and photos are letterboxed. Every file is generated here."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from photo_files import check_sentence, encoded, gradient
from PIL import Image, ImageFile

from classifiers.photos.convert import SHOWN_SIDE
from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError

pytestmark = pytest.mark.filterwarnings("ignore:.*(EXIF|Truncated)")  # Pillow's warnings about broken tags

RED = (255, 0, 0)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "MPO"])
def test_every_format_is_decoded_to_its_colour(read, file_format):
    photo = read(encoded(Image.new("RGB", (40, 30), (200, 80, 40)), file_format))
    assert photo.pixels.shape == (30, 40, 3) and (photo.width, photo.height) == (40, 30) and photo.notes == ()
    assert np.abs(photo.pixels.astype(int) - (200, 80, 40)).max() <= 3


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_tiff_compressions_are_decoded(read, compression):
    image = gradient()
    pixels = read(encoded(image, "TIFF", compression=compression)).pixels
    assert np.abs(pixels.astype(int) - np.asarray(image)).mean() < 2


def test_small_lossless_photo_is_unchanged(read):
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert np.array_equal(read(encoded(Image.fromarray(pixels), "PNG")).pixels, pixels)


@pytest.mark.parametrize(("width", "height", "shown"), [
    (1, 1, (1, 1)), (1, 5000, (1024, 1)), (4000, 300, (77, 1024)), (1024, 700, (700, 1024)), (1025, 1, (1, 1024)),
    (29_999, 2, (1, 1024)), (2300, 2500, (1024, 942)),
])  # fmt: skip
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_aspect_ratio_is_kept(read, file_format, width, height, shown):
    photo = read(encoded(Image.new("RGB", (width, height), (200, 80, 40)), file_format))
    assert photo.pixels.shape == (*shown, 3) and (photo.width, photo.height) == (width, height)
    assert np.abs(photo.pixels.astype(int) - (200, 80, 40)).max() <= 3


def test_largest_phone_photo_is_decoded(read):
    photo = read(encoded(Image.new("L", (8192, 6144), 90), "JPEG"))
    assert (photo.width, photo.height) == (8192, 6144) and photo.pixels.shape == (768, SHOWN_SIDE, 3)
    assert np.abs(photo.pixels.astype(int) - 90).max() <= 1


@pytest.mark.parametrize(("file_format", "options"), [
    ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}),
    ("WebP", {}), ("WebP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
])  # fmt: skip
def test_truncated_file_is_refused_or_complete(read, file_format, options):
    data = encoded(gradient(), file_format, **options)
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


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WebP", "TIFF"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_file_raises_only_photo_error(read, file_format):
    """Random bytes overwritten, mostly in the header: the result is an image or a PhotoError."""
    chance = random.Random(file_format)
    data = encoded(gradient(), file_format)
    for _ in range(100):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(min(len(data), chance.choice((60, 400, len(data)))))] = chance.randrange(256)
        try:
            read(bytes(damaged))
        except PhotoError as error:
            check_sentence(str(error))


def test_concurrent_reads_do_not_interfere(tmp_path):
    paths = []
    for i, file_format in enumerate(["PNG", "JPEG", "GIF", "WebP", "TIFF", "BMP"] * 4):
        paths.append(tmp_path / str(i))
        paths[-1].write_bytes(encoded(Image.new("RGB", (300 + i, 200), (10 * i, 255 - 10 * i, 100)), file_format))
    broken = tmp_path / "broken"
    broken.write_bytes(paths[0].read_bytes()[:150])

    def is_right(i):
        if i % 5 == 0:
            with pytest.raises(PhotoError):
                read_photo(broken)
            return True
        photo = read_photo(paths[i])
        return photo.width == 300 + i and np.abs(photo.pixels.astype(int) - (10 * i, 255 - 10 * i, 100)).max() <= 5

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_right, list(range(24)) * 2))


def test_pillow_settings_stay_unchanged(refusal, read):
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    read(encoded(gradient(), "JPEG"))
    refusal(read, encoded(gradient(), "JPEG")[:-400])
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before == (89478485, False)
