"""PNG data URIs and thumbnails."""

import base64
import io

import numpy as np
from PIL import Image

from explorer.rendering.images import png_uri, thumbnail

PHOTO = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def decoded(uri):
    header, data = uri.split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert header == f"data:image/{image.format.lower()};base64"
    return np.asarray(image.convert("RGB"))


def test_png_uri_is_lossless_with_and_without_a_palette():
    indices, palette = np.arange(6, dtype=np.uint8).reshape(2, 3), PHOTO[0]
    assert (decoded(png_uri(PHOTO)) == PHOTO).all()
    assert (decoded(png_uri(indices, palette)) == palette[indices]).all()


def test_thumbnail_is_the_central_square():
    assert (thumbnail(PHOTO, 6) == PHOTO[:, 1:7]).all() and thumbnail(PHOTO, 3).shape == (3, 3, 3)
