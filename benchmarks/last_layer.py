"""One class at the last layer of timm's networks: processor time of gradcam against torchcam and a bare forward.

    PYTHONPATH=.venv/timm-… python -m benchmarks.last_layer [--rounds 15] [--only resnet50 …] [--batches 1 16] [--also]

timm and torchvision lie apart from the other packages (see tests/timm.txt); torchcam is in benchmarks/requirements.txt.
The weights are random. One thread, so that waiting for another is not counted. Read the ratios.
"""

import argparse
import time

import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)

from benchmarks.rounds import describe_device, medians, table
from gradcam import Explainer, suggest_layers
from gradcam.allocator import keep_freed_memory
from potplants import CNN

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


def every_class(name, rounds):
    """All 1000 classes of one photo, against a bare forward."""
    network, images = create(name), torch.rand(1, 3, 224, 224)
    explainer = Explainer(network, "layer4")

    def bare_forward():
        with torch.inference_mode():
            network(images)

    contenders = {"a bare forward": bare_forward, "1000 classes": lambda: explainer.explain(images, list(range(1000)))}
    print(f"\n{name}, layer4, every class")
    print(table(medians(contenders, rounds, time.process_time), "a bare forward"))


def per_image(title, network, layer, side, rounds):
    """Milliseconds an image in batches of several sizes, all images of a batch together."""
    images, explainer = torch.rand(64, 3, side, side), Explainer(network, layer)

    def run(size):
        return [explainer.explain(part, 0) for part in images[: max(16, size)].split(size)]

    times = medians({size: lambda size=size: run(size) for size in (1, 2, 4, 8, 16, 64)}, rounds, time.process_time)
    print(f"\n{title}, ms an image: " + ", ".join(f"{size}: {ms / max(16, size):.1f}" for size, ms in times.items()))


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS), help="of them, or nothing")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--also", action="store_true", help="1000 classes at once, and batches of 1 to 64")
    parser.add_argument("--keep", action="store_true", help="let glibc keep freed memory, as the app does")
    args = parser.parse_args()
    if args.keep and not keep_freed_memory():
        raise SystemExit("--keep needs glibc")
    torch.set_num_threads(args.threads)
    print(describe_device("cpu"))
    for title in args.only:
        for batch in args.batches:
            compare(title, NETWORKS[title], batch, args.rounds if batch < 8 else max(3, args.rounds // 3))
    if args.also:
        for name in ("resnet18", "resnet50"):
            every_class(name, max(3, args.rounds // 3))
        per_image("embedded CNN, 32 hidden", CNN(hidden=32).eval(), "conv_layers.6", 256, max(3, args.rounds // 3))
        per_image("mobilenetv3_large", create("mobilenetv3_large_100"), "blocks", 224, max(3, args.rounds // 3))


if __name__ == "__main__":
    main()
