"""How many photos a second an audit takes in: decoding, forward, Grad-CAM at the last layer, the masks' shares. And every pot repainted.

    python benchmarks/audit.py [--model embedded] [--rounds 7] [--photos 240] [--device cpu]

Beside it, in the same rounds, its stages alone and a bare `network(images)` loop over photos already in memory: on a busy machine the ratio
to that loop says more than the pace. The audit reads ahead in a second thread, so its stages add up to more than the whole. Cold: the first photo's explanation, with what the
device has to get ready for it; warm: the same again.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from rounds import medians, once, told

import potplants
from explorer.explanation.device import Device
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import read_mask
from explorer.tabs.audit.audit import audit
from explorer.tabs.audit.causal_test import in_every_pot
from explorer.tabs.audit.photo_reader import AT_ONCE, read, read_ahead
from gradcam import Explainer

BARE = "network(images), nothing else"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    options = parser.parse_args()

    model, device = potplants.find(options.model), Device(options.device)
    potplants.load(options.model)
    photos = list(examples.embedded().every.values())[: options.photos]
    batches = [batch.images() for batch in read_ahead(photos, model.size)]

    def first():
        Explainer(device.network(options.model), model.layers[-1]).explain(batches[0][:1])

    cold, warm = once(first), once(first)
    network = device.network(options.model)
    explainer = Explainer(network, model.layers[-1])

    def silent(part):
        return True

    def bare():
        with torch.no_grad():
            for batch in batches:
                for images in batch.split(AT_ONCE // 2):  # as many at once as the explainer takes on a CPU
                    network(images.to(device.name))

    def whole():
        read_mask.cache_clear()
        audit(network, model, photos, silent)

    def reading():
        read_mask.cache_clear()
        read(photos, model.size)

    def explaining():
        for batch in batches:
            explainer.explain(batch)

    contenders = {
        BARE: bare,
        "the audit": whole,
        "its stage: reading photos and masks": reading,
        "its stage: forward and Grad-CAM": explaining,
        f"every pot in {len(POT_COLOURS)} colours": lambda: in_every_pot(network, model, photos, silent),
    }
    times = medians(contenders, options.rounds)
    print(f"{told(device.name)}; one photo explained: cold {cold:.1f} ms, warm {warm:.1f} ms")
    print(f"{len(photos)} photos, medians of {options.rounds} rounds")
    for name, milliseconds in times.items():
        pace = 1000 * len(photos) / milliseconds
        print(
            f"{name:<40} {pace:8.1f} photos/s {milliseconds / len(photos):8.2f} ms a photo {milliseconds / times[BARE]:7.2f} ×"
        )


if __name__ == "__main__":
    main()
