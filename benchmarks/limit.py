"""How fast the embedded network can be explained: a pass written by hand for it alone, against the module.

    python -m benchmarks.limit [--rounds 15] [--threads 1] [--keep]

Four classes × three layers. The pass knows the network: channels last in memory, max pooling before the ReLU, the head
by its active rows in blocks, and at each layer the gradient's sum from the pooled maps, where it is a quarter as large.
--keep lets glibc keep freed memory, as the app does. Processor time; read the ratios.
"""

import argparse
import time

import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)

from benchmarks.rounds import describe_device, medians, table
from gradcam import Explainer
from gradcam.allocator import keep_freed_memory
from potplants import CNN

LAYERS = ["conv_layers.0", "conv_layers.3", "conv_layers.6"]
CLASSES = [0, 1, 2, 3]
BLOCK = 10  # rows of the large Linear at a time


@torch.no_grad()
def by_hand(network, image):
    """Heatmaps [K, L, H, W] of all classes at the three convolutions, for one image [1, 3, H, W]."""
    convolutions = [network.conv_layers.get_submodule(name.removeprefix("conv_layers.")) for name in LAYERS]
    maps, activations, places, pooled = image.contiguous(memory_format=torch.channels_last), [], [], []
    for convolution in convolutions:
        activations.append(convolution(maps))
        maps, indices = F.max_pool2d(activations[-1], 2, return_indices=True)
        maps = maps.relu_()
        places.append(indices)
        pooled.append(maps)
    gradient = head(network.fc_layers[1], network.fc_layers[3], maps)
    heat = []
    for layer in (2, 1, 0):
        gradient = gradient * (pooled[layer] > 0)
        weights = gradient.sum((2, 3)) / activations[layer][0, 0].numel()
        heat.insert(0, torch.einsum("kc,chw->khw", weights, activations[layer][0]).relu()[:, None])
        if layer:
            indices = places[layer].expand(len(CLASSES), -1, -1, -1)
            unpooled = F.max_unpool2d(gradient, indices, [2, 2], [2, 2])
            gradient = F.conv_transpose2d(unpooled, convolutions[layer].weight, padding=1)
    size = image.shape[2:]
    return torch.cat([F.interpolate(one, size, mode="bilinear", align_corners=False) for one in heat], 1)


def head(hidden, last, maps):
    """The gradient of each class with respect to the deepest pooled maps: [K, C, h, w]."""
    active = hidden(maps.flatten(1))[0] > 0
    coefficients = last.weight * active  # [K, hidden]
    gradient = torch.zeros(len(coefficients), hidden.in_features)
    block = torch.empty(BLOCK, hidden.in_features)
    for rows in active.nonzero()[:, 0].split(BLOCK):
        some = torch.index_select(hidden.weight, 0, rows, out=block[: len(rows)])
        gradient.addmm_(coefficients[:, rows], some)
    return gradient.view(-1, *maps.shape[1:]).contiguous(memory_format=torch.channels_last)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="let glibc keep freed memory")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.keep and not keep_freed_memory():
        raise SystemExit("--keep needs glibc")
    torch.manual_seed(0)
    network, image = CNN().eval(), torch.rand(1, 3, 256, 256)
    explainer = Explainer(network, LAYERS)
    ours = explainer.explain(image, CLASSES).heatmaps[0]
    torch.testing.assert_close(by_hand(network, image), ours, rtol=1e-4, atol=1e-5 * float(ours.max()))

    @torch.inference_mode()
    def bare_forward():
        network(image)

    contenders = {
        "a bare forward": bare_forward,
        "by hand, for this network": lambda: by_hand(network, image),
        "gradcam, 4 classes × 3 layers": lambda: explainer.explain(image, CLASSES),
    }
    print(describe_device("cpu"))
    times = medians(contenders, args.rounds, time.process_time)
    print(table(times, "a bare forward"))
    print(f"gradcam / by hand: {times['gradcam, 4 classes × 3 layers'] / times['by hand, for this network']:.2f}")


if __name__ == "__main__":
    main()
