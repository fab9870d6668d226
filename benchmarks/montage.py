"""A montage for visual comparison: one row per example, one column per method, at one layer of any classifier.

    python -m benchmarks.montage [--model imagenet] [--layer 14×14] [--split real] [--out montage.png]

Each map is for the predicted class, over what the network sees of the photo; the caption names that class.
"""

import argparse

import cv2
import numpy as np

import classifiers
from classifiers.photos.decode import read_photo
from explorer.explanation.targets import column_named
from explorer.photos import examples
from gradcam import METHODS, Explainer, guided_grad_cam, overlay

CAPTION_HEIGHT, SIDE = 28, 256


def with_caption(picture, caption):
    strip = np.full((CAPTION_HEIGHT, SIDE, 3), 255, np.uint8)
    cv2.putText(strip, caption, (4, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, cv2.resize(picture, (SIDE, SIDE))])


def row_of(example, model, layer):
    frame = model.preprocessing.frame(read_photo(example.file).pixels)
    photo, images = frame.canvas[frame.seen.slices], model.preprocessing.tensor(frame.canvas, frame.seen)
    predicted, cells = model.classes[model.network(images).argmax()], []
    for method in METHODS:
        try:
            heat = Explainer(model.network, layer.readable).explain(images, "predicted", method).heatmaps[0, 0, 0]
            caption = f"{method} {heat.max():.2g}" if heat.any() else f"{method}: empty"
            cells.append(with_caption(overlay(photo, heat), caption))
        except ValueError:
            cells.append(with_caption(np.full_like(photo, 200), f"{method}: not this network"))
    first = with_caption(photo, f"{example.caption} -> {predicted.capitalize()}")
    return [first, *cells, guided_cell(model, images, layer)]


def guided_cell(model, images, layer):
    try:
        guided = guided_grad_cam(model.network, images, "predicted", layer.name)[0, 0].permute(1, 2, 0).numpy()
    except ValueError:  # an activation that is no ReLU
        return with_caption(np.full((SIDE, SIDE, 3), 200, np.uint8), "Guided: not this network")
    grey = (127.5 + 127.5 * guided / max(abs(guided).max(), 1e-12)).astype(np.uint8)
    return with_caption(grey, "Guided Grad-CAM")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--layer", default="deepest")
    parser.add_argument("--split", help="only the shown examples of this split: val, test or real")
    parser.add_argument("--out", default="montage.png")
    args = parser.parse_args()
    model = classifiers.load(args.model)
    layer = model.layers[model.columns.index(column_named(model, args.layer))]
    shown = [example for example in examples.embedded().shown if args.split in (None, example.split)]
    rows = [row_of(example, model, layer) for example in shown]
    picture = np.concatenate([np.concatenate(row, 1) for row in rows])
    cv2.imwrite(args.out, picture[..., ::-1])
    print(f"{args.out}: {len(rows)} examples × {len(rows[0]) - 2} methods")


if __name__ == "__main__":
    main()
