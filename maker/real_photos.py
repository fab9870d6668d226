"""The real photos in examples/real: from the sample photos of two packages, as JPEG small enough to be committed.

python -m maker.real_photos SKIMAGE_DATA SKLEARN_IMAGES     the folders skimage/data and sklearn/datasets/images

Their licences, as the packages state them (the docstrings of `skimage.data`, sklearn/datasets/images/README.txt), are
in examples/index.csv, whose lines this does not write.
"""

import io
import sys
from pathlib import Path

from PIL import Image

REAL = Path(__file__).parents[1] / "examples" / "real"
FILES = {  # name here → which package's folder, name there
    "coffee": (0, "coffee.png"),
    "camera": (0, "camera.png"),
    "cat": (0, "chelsea.png"),
    "rocket": (0, "rocket.jpg"),
    "flower": (1, "flower.jpg"),
    "china": (1, "china.jpg"),
}
LONG_SIDE, MOST_BYTES = 640, 80_000
QUALITIES = (95, 90, 85, 80)  # the best that is small enough


def encode(file: Path) -> bytes:
    """A photo as JPEG, without metadata."""
    with Image.open(file) as opened:
        photo = opened.convert("RGB")
    photo.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    for quality in QUALITIES:
        jpeg = io.BytesIO()
        photo.save(jpeg, "JPEG", quality=quality, optimize=True)
        if jpeg.tell() <= MOST_BYTES:
            return jpeg.getvalue()
    raise ValueError(f"{file} does not fit into {MOST_BYTES} bytes: choose a photo with less in it")


def main():
    folders = [Path(folder) for folder in sys.argv[1:3]]
    REAL.mkdir(exist_ok=True)
    for name, (package, file) in FILES.items():
        (REAL / f"{name}.jpg").write_bytes(encode(folders[package] / file))


if __name__ == "__main__":
    main()
