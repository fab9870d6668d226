"""Costly files are refused before they are decoded, and reading is metered."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from live import ROOT
from photo_files import HOSTILE, check_sentence, encoded, png, tiff_of_10
from PIL import Image

from classifiers.photos.formats import PhotoError

pytestmark = pytest.mark.filterwarnings("ignore:.*(EXIF|Truncated)")  # Pillow's warnings about broken tags

RED = (255, 0, 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_largest_photos_take_less_than_300_mb(tmp_path, kind):
    image, options = {
        "JPEG": (Image.new("RGB", (8192, 6144), RED), {"progressive": True}),
        "PNG": (Image.new("RGBA", (5000, 3000), RED), {"compress_level": 1}),
        "WebP": (Image.new("RGBA", (3600, 3600), (255, 0, 0, 99)), {"method": 0}),
    }[kind]
    (tmp_path / "large").write_bytes(encoded(image, kind, **options))
    program = """
import sys
from classifiers.photos.decode import read_photo
memory = lambda field: int(open("/proc/self/status").read().split(field)[1].split()[0])
idle = memory("VmRSS:")
read_photo(sys.argv[1])
print(memory("VmHWM:") - idle)
"""
    command = [sys.executable, "-c", program, tmp_path / "large"]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    assert kilobytes < 300_000


@pytest.mark.parametrize(("data", "words"), [
    (png(30000, 30000, 8, 2, b"", b""), "30000 × 30000"),
    (png(8000, 6000, 8, 2, b""), "8000 × 6000"),
    (png(10**6, 1, 8, 2, b""), "longer"),
    (encoded(Image.new("1", (4100, 4100)), "TIFF", compression="group4"), "4100 × 4100"),
    (encoded(Image.new("RGB", (4096, 4000)), "WebP", quality=0, method=0), "4096 × 4000"),
])  # fmt: skip
def test_too_many_pixels_are_refused_from_the_header(refusal, read, data, words):
    start = time.process_time()
    assert words in refusal(read, data)
    assert time.process_time() - start < 1


def test_rare_tiff_compression_is_refused(refusal, read):
    assert "compressed" in refusal(read, tiff_of_10((259, 3, 1, 50000), (273, 4, 1, 8)))  # Zstandard


@pytest.mark.parametrize(("file_format", "options"), [
    ("GIF", {"duration": 50}), ("GIF", {}), ("GIF", {"loop": 0}),
    ("WebP", {"lossless": True}), ("PNG", {}), ("TIFF", {}),
])  # fmt: skip
def test_first_of_several_frames_is_used_and_noted(read, file_format, options):
    frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    for count in (2, 3):
        photo = read(encoded(frames[0], file_format, save_all=True, append_images=frames[1:count], **options))
        assert np.array_equal(photo.pixels, np.full((10, 20, 3), RED))
        assert "several pictures" in photo.notes[0]


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.filterwarnings("ignore")
def test_hostile_file_takes_little_time_and_memory(read, kind):
    """Files built to exhaust the reader; each took seconds or gigabytes in Pillow alone."""
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
