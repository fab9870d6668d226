"""Four classes at three layers with the channels last in memory against the plain order, whatever the module chooses.

    PYTHONPATH=.venv/timm-… python -m benchmarks.memory_order [--rounds 9] [--only cnn efficientnet_b0 …]

So it can be seen for which networks `gradcam.memory_order` should choose which. Processor time, one thread, freed
memory kept. Read the ratios.
"""

import argparse
import time
from unittest import mock

import torch

from benchmarks.last_layer import create
from benchmarks.limit import LAYERS
from benchmarks.rounds import describe_device, medians, table
from gradcam import Explainer, suggest_layers
from gradcam.allocator import keep_freed_memory
from gradcam.memory_order import OrderPreference
from potplants import CNN

NETWORKS = ["cnn", "efficientnet_b0", "mobilenetv3_large_100", "resnet50", "densenet121"]
CLASSES = [0, 1, 2, 3]


def in_order(explainer, images, channels_last):
    """A run of the explainer that lays the images out as it is told."""

    def run():
        with mock.patch.object(OrderPreference, "channels_last", return_value=channels_last):
            return explainer.explain(images, CLASSES)

    return run


def compare(name, rounds):
    torch.manual_seed(0)
    network = CNN().eval() if name == "cnn" else create(name)
    images = torch.rand(1, 3, 256, 256) if name == "cnn" else torch.rand(1, 3, 224, 224)
    layers = LAYERS if name == "cnn" else suggest_layers(network, images)[-3:]
    contenders = {
        "plain": in_order(Explainer(network, layers), images, False),
        "channels last": in_order(Explainer(network, layers), images, True),
    }
    print(f"\n{name}; the module would choose channels last: {OrderPreference(network).channels_last(images, 4)}")
    print(table(medians(contenders, rounds, time.process_time), "plain"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=NETWORKS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not keep_freed_memory():
        print("glibc's default: freed memory is not kept")
    print(describe_device("cpu"))
    for name in args.only:
        compare(name, args.rounds)


if __name__ == "__main__":
    main()
