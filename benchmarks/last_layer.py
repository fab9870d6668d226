"""One class at the last layer of timm's networks: processor time of gradcam against torchcam and a bare forward.

    PYTHONPATH=.venv/timm-… python -m benchmarks.last_layer [--rounds 15] [--only resnet50 …] [--batches 1 16]

timm and torchvision lie apart from the other packages (see tests/timm.txt); torchcam is in benchmarks/requirements.txt.
The weights are random. One thread, so that waiting for another is not counted. Read the ratios.
"""

import argparse
import time

import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)

from benchmarks.rounds import describe_device, medians, table
from gradcam import Explainer, suggest_layers

NETWORKS = {
    "resnet50": "resnet50",
    "convnext_tiny": "convnext_tiny",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenetv3_large": "mobilenetv3_large_100",
    "vit_small": "vit_small_patch16_224",
}
OPERATORS = []  # kept, or they would be gone again


def create(name):
    """A network of timm's with random weights; 1000 classes."""
    if not OPERATORS:  # what torchvision asks for at import is compiled for another torch
        OPERATORS.append(torch.library.Library("torchvision", "DEF"))
        for operator in ("nms", "qnms"):
            OPERATORS[0].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False).eval()


def with_torchcam(network, layer, images):
    """As its documentation shows it, and the map enlarged to the image, as gradcam does."""
    from torchcam.methods import GradCAM

    extractor = GradCAM(network, layer.name, reshape_transform=layer.arrangement.as_maps)

    def run():
        heat = extractor(0, network(images), normalized=False)[0]
        return F.interpolate(heat[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]

    return run


def compare(title, name, batch, rounds):
    network = create(name)
    images = torch.rand(batch, 3, 224, 224)
    layer = suggest_layers(network, images[:1])[-1]
    explainer = Explainer(network, layer)
    other = with_torchcam(create(name), layer, images)  # the same seed, the same weights

    def bare_forward():
        with torch.inference_mode():
            network(images)

    ours, theirs = explainer.explain(images, 0).heatmaps[:, 0, 0], other()
    apart = (ours - theirs).abs().amax() / theirs.amax()
    contenders = {
        "a bare forward": bare_forward,
        "torchcam": other,
        "gradcam": lambda: explainer.explain(images, 0),
    }
    print(f"\n{title}, {layer.name}, batch {batch}; heatmaps differ by {apart:.0e} of the peak")
    times = medians(contenders, rounds, time.process_time)
    print(table(times, "a bare forward"))
    print(f"gradcam / torchcam: {times['gradcam'] / times['torchcam']:.3f}")


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(describe_device("cpu"))
    for title in args.only:
        for batch in args.batches:
            compare(title, NETWORKS[title], batch, args.rounds if batch < 8 else max(3, args.rounds // 3))


if __name__ == "__main__":
    main()
