"""Ways to fit a non-square photo to the square network: accuracy on the val photos, cropped wide and tall.

    python -m benchmarks.letterbox

Each val photo is cropped to 4:3 and 3:4, then made square again in several ways; a good way costs the least accuracy.
"""

import argparse

import cv2
import numpy as np
import torch

import potplants
from classifiers import Preprocessing
from explorer.photos.examples import EMBEDDED
from potplants.dataset import as_input, load_pixels
from potplants.layout import photos

SIDE = 256
SQUARE = Preprocessing(SIDE, SIDE)  # as the page lays photos out


def bars(colour):
    """Bars of a colour [3] that may depend on the photo."""

    def fit(photo):
        square = SQUARE.frame(photo)
        left, top, right, bottom = square.photo
        framed = np.empty((SIDE, SIDE, 3), np.uint8)
        framed[:] = colour(photo)
        framed[top:bottom, left:right] = square.canvas[top:bottom, left:right]
        return framed

    return fit


def extended(border_type):
    """Bars that repeat or mirror the photo's border."""

    def fit(photo):
        square = SQUARE.frame(photo)
        left, top, right, bottom = square.photo
        inner = square.canvas[top:bottom, left:right]
        return cv2.copyMakeBorder(inner, top, SIDE - bottom, left, SIDE - right, border_type)

    return fit


FITS = {
    "grey bars (the page's)": lambda photo: SQUARE.frame(photo).canvas,
    "black bars": bars(lambda photo: 0),
    "white bars": bars(lambda photo: 255),
    "bars of the photo's mean colour": bars(lambda photo: photo.mean((0, 1))),
    "border repeated": extended(cv2.BORDER_REPLICATE),
    "border mirrored": extended(cv2.BORDER_REFLECT),
    "stretched": lambda photo: cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR),
    "cropped to the middle": lambda photo: cv2.resize(_centre(photo), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR),
}


def _centre(photo):
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    return photo[top : top + side, left : left + side]


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    network, labelled = potplants.load("embedded"), photos(EMBEDDED / "val")
    whole = load_pixels(labelled.files, SIDE).permute(0, 2, 3, 1).numpy()  # [M, S, S, 3]
    crops = {"4:3": [photo[32:224] for photo in whole], "3:4": [photo[:, 32:224] for photo in whole]}
    labels = torch.tensor(labelled.labels)
    print(f"{'':34}" + "".join(f"{name:>8}" for name in ("whole", *crops)))
    for name, fit in FITS.items():
        accuracies = []
        for pictures in (list(whole), *crops.values()):
            squares = torch.from_numpy(np.stack([fit(picture) for picture in pictures])).permute(0, 3, 1, 2)
            with torch.inference_mode():
                predicted = torch.cat([network(as_input(part)).argmax(1) for part in squares.split(16)])
            accuracies.append((predicted == labels).float().mean().item())
        print(f"{name:34}" + "".join(f"{accuracy:8.1%}" for accuracy in accuracies))


if __name__ == "__main__":
    main()
