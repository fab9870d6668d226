"""Photos per second of an audit (decoding, forward pass, Grad-CAM at the last layer, mask shares), and of repainting.

    python -m benchmarks.audit [--model embedded] [--rounds 7] [--photos 240] [--device cpu]

Measured in the same rounds: its stages alone, and a bare `network(images)` loop over photos already in memory. On a
busy machine the ratio to that loop says more than the pace. The audit reads ahead in a second thread, so its stages add
up to more than the whole. Cold: the first photo's explanation, including the device's preparation; warm: the second.
"""

import argparse

import torch

import classifiers
from benchmarks.rounds import describe_device, medians, time_once
from explorer.explanation.device import Device
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import read_mask
from explorer.tabs.audit.audit import audit
from explorer.tabs.audit.causal_test import in_every_pot
from explorer.tabs.audit.photo_reader import AT_ONCE, read, read_ahead
from gradcam import Explainer

BARE = "network(images), nothing else"


def ignore_progress(fraction):
    return True


class Stages:
    """The audit of some photos, whole and in stages, as callables without arguments."""

    def __init__(self, model, device, photos):
        self.model, self.device, self.photos = model, device, photos
        self.batches = [batch.images(model) for batch in read_ahead(photos, model)]
        self.network = device.network(model.name)
        self.explainer = Explainer(self.network, model.layers[-1].readable)

    def bare_loop(self):
        with torch.no_grad():
            for batch in self.batches:
                for images in batch.split(AT_ONCE // 2):  # as many at once as the explainer takes on a CPU
                    self.network(images.to(self.device.name))

    def whole(self):
        read_mask.cache_clear()
        audit(self.network, self.model, self.photos, ignore_progress)

    def reading(self):
        read_mask.cache_clear()
        read(self.photos, self.model)

    def explaining(self):
        for batch in self.batches:
            self.explainer.explain(batch)

    def repainting(self):
        in_every_pot(self.network, self.model, self.photos, ignore_progress)


def first_explanation(model, device, photos):
    """Milliseconds for one photo, cold and warm, with a new explainer each time."""
    (batch,) = read_ahead(photos[:1], model)
    images = batch.images(model)

    def explain():
        Explainer(device.network(model.name), model.layers[-1].readable).explain(images)

    return time_once(explain), time_once(explain)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    args = parser.parse_args()

    model, device = classifiers.load(args.model), Device(args.device)
    splits = examples.embedded().splits_for(model.classes)
    photos = [photo for name in ("test", "val") for photo in splits[name]][: args.photos]
    cold, warm = first_explanation(model, device, photos)
    stages = Stages(model, device, photos)
    contenders = {
        BARE: stages.bare_loop,
        "the audit": stages.whole,
        "its stage: reading photos and masks": stages.reading,
        "its stage: forward and Grad-CAM": stages.explaining,
        f"every pot in {len(POT_COLOURS)} colours": stages.repainting,
    }
    times = medians(contenders, args.rounds)
    print(f"{describe_device(device.name)}; one photo explained: cold {cold:.1f} ms, warm {warm:.1f} ms")
    print(f"{len(photos)} photos, medians of {args.rounds} rounds")
    for name, milliseconds in times.items():
        pace, each = 1000 * len(photos) / milliseconds, milliseconds / len(photos)
        print(f"{name:<40} {pace:8.1f} photos/s {each:8.2f} ms a photo {milliseconds / times[BARE]:7.2f} ×")


if __name__ == "__main__":
    main()
