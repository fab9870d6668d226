"""Convert Pillow's image modes to upright, opaque 8-bit sRGB."""

import io
import math
import struct

import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from .bounds import ORIENTATION

SHOWN_SIDE = 1024  # the long side kept: enough to look at, and four times what a network sees
MAX_PROFILE_BYTES = 2 * 10**6  # printers' colour profiles reach this; larger ones are ignored


def scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The same proportions with the long side at `side`, and never thinner than a pixel."""
    width, height = (max(1, round(length * side / max(size))) for length in size)
    return width, height


def reduced(image: Image.Image) -> Image.Image:
    """Average whole blocks of pixels until the long side is at most twice SHOWN_SIDE; a final resize does the rest.

    Works in bands of rows, because palettes and transparency must be resolved before pixels can be averaged, and doing
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


def eight_bit(image: Image.Image, full_scale: float | None) -> tuple[Image.Image, float]:
    """Scale I or F to L; also returns the value that became white. Pillow's own conversion would clip at 255.

    Where `full_scale` is None, it is the smallest usual one that holds every value: 1, 255 or 65535, else the largest
    value. Negative values and NaN become black, infinity white.
    """
    values = np.asarray(image, np.float64)
    if full_scale is None:
        top = values.max(initial=0, where=np.isfinite(values))
        white: float = next((scale for scale in (1, 255, 65535) if top <= scale), top)
    else:
        white = full_scale
    values = np.nan_to_num(values * (255 / white)).clip(0, 255)
    return Image.fromarray(values.round().astype(np.uint8)), white


def over_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Opaque sRGB from L, RGB, RGBA or CMYK."""
    if image.mode != "RGBA":
        return _srgb(image, profile)
    white = Image.new("RGB", image.size, "white")
    white.paste(_srgb(image.convert("RGB"), profile), mask=image.getchannel("A"))
    return white


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Apply the colour profile (wide-gamut cameras, print); one that is broken or for another mode is ignored."""
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert converted is not None  # it is None only for inPlace=True
            return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return image.convert("RGB")


SIDEWAYS = (5, 6, 7, 8)
TURNS = {  # EXIF orientation → what makes it upright; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where it is missing or broken; parsed here for the reason given at `Jpeg`."""
    if isinstance(image, TiffImageFile):
        return image.tag_v2.get(ORIENTATION, 1)
    exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * entry)
            if tag == ORIENTATION:
                return value
    except struct.error:  # truncated
        pass
    return 1
