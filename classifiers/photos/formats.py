"""The six image formats that are read, chosen by a file's first bytes, and formats that are refused by name."""

import re
from dataclasses import dataclass
from pathlib import Path

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

# With these and the megapixels below, every accepted file was measured to take less than 300 MB and 1 s of CPU time.
MAX_BYTES = 20 * 10**6


class PhotoError(ValueError):
    """A file that cannot be used. The message is one sentence for the visitor: what was wrong, and what to do."""


class Jpeg(JpegImageFile):
    """Pillow's reader without its EXIF parsing, which copies each tag's data: all may point at the same megabyte."""

    def _read_dpi_from_exif(self):
        pass


class Tiff(TiffImageFile):
    """Pillow's reader without rereading all tags or its own rotation: a TIFF is rotated like any other photo."""

    def _open(self):
        super()._open()
        self._size = self._tile_size  # as stored; Pillow gives the rotated size

    def load_end(self):
        pass


@dataclass(frozen=True)
class Format:
    name: str
    signature: bytes  # a pattern for the first bytes
    reader: type[ImageFile]
    megapixels: int  # the most that are decoded
    header_bytes: int = 4 * 10**6  # the most that are read before: a TIFF's tags take many times their size in memory


FORMATS = (
    Format("JPEG", rb"\xff\xd8\xff", Jpeg, 51, header_bytes=MAX_BYTES),  # some cameras put a depth map there
    Format("PNG", rb"\x89PNG\r\n\x1a\n", PngImageFile, 40),
    Format("WebP", rb"RIFF....WEBP", WebPImageFile, 13),
    Format(
        "GIF", rb"GIF8[79]a", GifImageFile, 40, header_bytes=10**6
    ),  # reading a comment takes time quadratic in its length
    Format("BMP", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", BmpImageFile, 40),
    Format("TIFF", rb"II[*+]\0|MM\0[*+]", Tiff, 16),
)
# Named so that the visitor knows what to do. Pillow could read AVIF, JPEG 2000 and ICO, but each holds a second size
# inside that may differ from its header's: an AVIF of 3 KB with 100 × 100 in its header took half a gigabyte.
REFUSED = {
    "HEIC": rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)",
    "AVIF": rb"....ftypavi[fs]",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "JPEG XL": rb"\0\0\0\x0cJXL |\xff\x0a",
    "ICO": rb"\0\0[\1\2]\0",
    "Photoshop": rb"8BPS",
    "PDF": rb"%PDF",
}


def read_bytes(path) -> bytes:
    """The file's content, at most MAX_BYTES. Raises PhotoError for anything but a plain, readable, non-empty file."""
    if path is None:
        raise PhotoError("No photo was given; choose one first.")
    try:
        path = Path(path)
        if not path.is_file():  # reading a pipe or a device might never end
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


def format_of(head: bytes) -> Format:
    """The format by the first bytes; a file name proves nothing. Raises PhotoError for any other."""
    for file_format in FORMATS:
        if re.match(file_format.signature, head, re.DOTALL):
            return file_format
    for name, signature in REFUSED.items():
        if re.match(signature, head, re.DOTALL):
            raise PhotoError(f"{name} files cannot be read here; save the photo as JPEG or PNG and try again.")
    if re.search(rb"<svg[\s>]", head, re.IGNORECASE):
        raise PhotoError("This SVG file is a drawing, not a photo; export it as PNG and try again.")
    raise PhotoError("This file is not a photo that can be read here; choose a JPEG or PNG.")
