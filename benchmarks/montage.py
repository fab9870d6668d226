"""A montage for visual comparison: one row per example, one column per method, at the embedded classifier's last layer.

    python -m benchmarks.montage [--layer conv_layers.6] [--out montage.png]

Each map is for the predicted class, over the photo; the caption names that class.
"""

import argparse

import cv2
import numpy as np
import torch
from PIL import Image

import potplants
from explorer.photos import examples
from gradcam import METHODS, Explainer, guided_grad_cam, overlay
from potplants.dataset import as_input

CAPTION_HEIGHT, SIDE = 28, 256


def with_caption(picture, caption):
    strip = np.full((CAPTION_HEIGHT, SIDE, 3), 255, np.uint8)
    cv2.putText(strip, caption, (4, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, picture])


def row_of(example, network, model, layer):
    photo = np.array(Image.open(example.file).convert("RGB"))
    images = as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None]
    predicted, cells = model.classes[network(images).argmax()], []
    for method in METHODS:
        try:
            heat = Explainer(network, layer).explain(images, "predicted", method).heatmaps[0, 0, 0]
            caption = f"{method} {heat.max():.2g}" if heat.any() else f"{method}: empty"
            cells.append(with_caption(overlay(photo, heat), caption))
        except ValueError:
            cells.append(with_caption(np.full_like(photo, 200), f"{method}: not this network"))
    guided = guided_grad_cam(network, images, "predicted", layer)[0, 0].permute(1, 2, 0).numpy()
    grey = (127.5 + 127.5 * guided / max(abs(guided).max(), 1e-12)).astype(np.uint8)
    first = with_caption(photo, f"{example.caption} -> {predicted.capitalize()}")
    return [first, *cells, with_caption(grey, "Guided Grad-CAM")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded", choices=potplants.MODELS)
    parser.add_argument("--layer", default="conv_layers.6")
    parser.add_argument("--out", default="montage.png")
    args = parser.parse_args()
    network, model = potplants.load(args.model), potplants.MODELS[args.model]
    rows = [row_of(example, network, model, args.layer) for example in examples.embedded().shown]
    picture = np.concatenate([np.concatenate(row, 1) for row in rows])
    cv2.imwrite(args.out, picture[..., ::-1])
    print(f"{args.out}: {len(rows)} examples × {len(rows[0]) - 2} methods")


if __name__ == "__main__":
    main()
