"""Images as JPEG bytes and data URIs for the page, and lines as paths."""

import base64
import io
from collections.abc import Iterable

import cv2
import numpy as np
from PIL import Image

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
# 4:4:4, since a heatmap's colours carry its meaning. 20 cells as PNG take 1.8 to 4.4× the bytes, 2.3 to 3.8× the time.

GREY_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92]  # off by a quarter of a shade on average, by 13 of 255 at single points


def jpeg(picture: np.ndarray) -> bytes:
    """[H, W, 3] uint8 RGB as a JPEG file."""
    # a view picture[..., ::-1] would be copied byte by byte, which takes longer than encoding it
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), JPEG)[1].tobytes()


def data_uri(picture: np.ndarray) -> str:
    """[H, W, 3] uint8 RGB as a JPEG data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture)).decode()


def shade_uri(shades: np.ndarray) -> str:
    """Shades [h, w] uint8 as a grey JPEG data URI: 5 kB where the coloured picture has 23."""
    return "data:image/jpeg;base64," + base64.b64encode(cv2.imencode(".jpg", shades, GREY_JPEG)[1].tobytes()).decode()


def png_uri(picture: np.ndarray, palette: np.ndarray | None = None) -> str:
    """RGB, or indices into a palette of RGB colours, as a lossless data URI: neighbouring pixels must not blend."""
    image = Image.fromarray(picture)
    if palette is not None:
        image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def svg_path(lines: Iterable[np.ndarray]) -> str:
    """Closed lines, each [points, 2] as (x, y) in 0…1, as the data of an SVG path in thousandths."""
    steps = [np.diff(np.rint(1000 * line).astype(int), axis=0, prepend=0).tolist() for line in lines if len(line)]
    return "".join(f"M{x} {y}l" + " ".join(f"{x} {y}" for x, y in further) + "Z" for (x, y), *further in steps)


def thumbnail(photo: np.ndarray, side: int = 128) -> np.ndarray:
    """The central square of a photo [H, W, 3], scaled to [side, side, 3]."""
    shorter = min(photo.shape[:2])
    top, left = (photo.shape[0] - shorter) // 2, (photo.shape[1] - shorter) // 2
    return cv2.resize(photo[top : top + shorter, left : left + shorter], (side, side), interpolation=cv2.INTER_AREA)
