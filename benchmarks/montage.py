"""A montage for human eyes: examples down, methods across, at the embedded classifier's last layer.

    python benchmarks/montage.py [--layer conv_layers.6] [--out montage.png]

Each map is for the class the model says, over the photo; the caption says which class that is.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

import potplants
from explorer.photos import examples
from gradcam import METHODS, Explainer, guided_grad_cam, overlay
from potplants.dataset import as_input

HEAD, SIDE = 28, 256


def captioned(picture, words):
    strip = np.full((HEAD, SIDE, 3), 255, np.uint8)
    cv2.putText(strip, words, (4, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, picture])


def row_of(example, network, model, layer):
    photo = np.array(Image.open(example.file).convert("RGB"))
    images = as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None]
    said, cells = model.classes[network(images).argmax()], []
    for method in METHODS:
        try:
            heat = Explainer(network, layer).explain(images, "predicted", method).heatmaps[0, 0, 0]
            cells.append(
                captioned(overlay(photo, heat), f"{method} {heat.max():.2g}" if heat.any() else f"{method}: empty")
            )
        except ValueError:
            cells.append(captioned(np.full_like(photo, 200), f"{method}: not this network"))
    guided = guided_grad_cam(network, images, "predicted", layer)[0, 0].permute(1, 2, 0).numpy()
    grey = (127.5 + 127.5 * guided / max(abs(guided).max(), 1e-12)).astype(np.uint8)
    return [captioned(photo, f"{example.caption} -> {said.capitalize()}"), *cells, captioned(grey, "Guided Grad-CAM")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded", choices=potplants.MODELS)
    parser.add_argument("--layer", default="conv_layers.6")
    parser.add_argument("--out", default="montage.png")
    options = parser.parse_args()
    network, model = potplants.load(options.model), potplants.MODELS[options.model]
    rows = [row_of(example, network, model, options.layer) for example in examples.embedded().shown]
    picture = np.concatenate([np.concatenate(row, 1) for row in rows])
    cv2.imwrite(options.out, picture[..., ::-1])
    print(f"{options.out}: {len(rows)} examples × {len(rows[0]) - 2} methods")


if __name__ == "__main__":
    main()
