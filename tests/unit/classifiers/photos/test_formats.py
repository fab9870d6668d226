"""Files that are missing, too large or not a photo are refused, by name where the format is known."""

import os

import pytest
from photo_files import encoded
from PIL import Image

from classifiers.photos.decode import read_photo
from classifiers.photos.formats import MAX_BYTES

pytestmark = pytest.mark.filterwarnings("ignore:.*(EXIF|Truncated)")  # Pillow's warnings about broken tags

JP2, FTYP = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), b"\0\0\0\x18ftyp%b\0\0\0\0mif1" + bytes(40)


@pytest.mark.parametrize(("data", "named"), [
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
def test_file_that_is_not_a_photo_is_refused_by_name(refusal, read, data, named):
    assert named in refusal(read, data)


def test_missing_file_is_refused(refusal, tmp_path):
    assert "No photo" in refusal(read_photo, None)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for missing in ("", tmp_path, tmp_path / "gone.jpg", tmp_path / "pipe", "a\0b", "x" * 5000):
        assert "upload it again" in refusal(read_photo, missing)


def test_file_with_too_many_bytes_is_refused(refusal, tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "20 MB" in refusal(read_photo, path)
