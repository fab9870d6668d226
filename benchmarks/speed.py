"""Grad-CAM for four classes at three layers: gradcam, a bare forward pass, the article's loop and other libraries.

    python -m benchmarks.speed [--rounds 15] [--only cnn resnet18 mobilenet batches memory] [--device cpu]

Other libraries take part where they are installed (see benchmarks/requirements.txt). Read the ratios, not the
milliseconds.
"""

import argparse
import copy
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)

from benchmarks import shapes
from benchmarks.rounds import describe_device, medians, table, time_once
from gradcam import Explainer
from gradcam.model_copy import ModelCopies
from potplants import CNN

CLASSES = [0, 1, 2, 3]
NETWORKS = {  # name → (network, three layers to read, side of the photo)
    "cnn": (lambda: CNN().eval(), ["conv_layers.0", "conv_layers.3", "conv_layers.6"], 256),
    "resnet18": (shapes.resnet18, ["2", "3", "4"], 224),
    "mobilenet": (shapes.mobilenet, ["3", "5", "7"], 224),
}


def article_loop(network, layers, images):
    """The article's computation: for every class and layer a forward pass with hooks, a backward pass, then the sum."""

    def run():
        for target in CLASSES:
            for name in layers:
                captured = {}
                layer = network.get_submodule(name)

                def save_activation(module, args, output, captured=captured):
                    captured["activation"] = output

                def save_gradient(module, grad_input, grad_output, captured=captured):
                    captured["gradient"] = grad_output[0]

                hooks = [
                    layer.register_forward_hook(save_activation),
                    layer.register_full_backward_hook(save_gradient),
                ]
                network.zero_grad()
                network(images.clone().requires_grad_())[0, target].backward()
                for hook in hooks:
                    hook.remove()
                weights = captured["gradient"].mean((2, 3), keepdim=True)
                heat = (weights * captured["activation"]).sum(1, keepdim=True).relu().detach()
                F.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False).cpu().numpy()

    return run


def with_torchcam(network, layers, images):
    from torchcam.methods import GradCAM

    extractor = GradCAM(network, target_layer=layers)

    def run():
        scores = network(images.clone().requires_grad_())
        for target in CLASSES:
            for heat in extractor(target, scores, normalized=False, retain_graph=True):
                F.interpolate(heat[None], images.shape[2:], mode="bilinear", align_corners=False)

    return run


def with_captum(network, layers, images):
    from captum.attr import LayerGradCam

    extractors = [LayerGradCam(network, network.get_submodule(name)) for name in layers]
    batch, targets = images.expand(len(CLASSES), -1, -1, -1), torch.tensor(CLASSES, device=images.device)

    def run():
        for extractor in extractors:
            heat = extractor.attribute(batch, target=targets, relu_attributions=True)
            F.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)

    return run


def with_pytorch_grad_cam(network, layers, images):
    _stub_torchvision()
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    # Several layers at once would be averaged into one map, so it needs a call per layer, with one image per class.
    extractors = [GradCAM(network, [network.get_submodule(name)]) for name in layers]
    batch, targets = images.expand(len(CLASSES), -1, -1, -1), [ClassifierOutputTarget(target) for target in CLASSES]

    def run():
        for extractor in extractors:
            extractor(input_tensor=batch, targets=targets)

    return run


def _stub_torchvision():
    """pytorch-grad-cam imports torchvision for image helpers that are not timed; a stub is enough for the import."""
    modules = {
        "torchvision": ["models"],
        "torchvision.transforms": ["Compose", "Normalize", "ToTensor"],
        "torchvision.transforms.functional": ["resize"],
    }
    for name, attributes in modules.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        for attribute in attributes:
            setattr(module, attribute, None)


PEERS = {
    "the article's loop": article_loop,
    "torchcam": with_torchcam,
    "captum": with_captum,
    "pytorch-grad-cam": with_pytorch_grad_cam,
}


def compare(name, rounds, device):
    build, layers, side = NETWORKS[name]
    torch.manual_seed(0)
    network, images = build().to(device), torch.rand(1, 3, side, side).to(device)
    explainer = Explainer(network, layers)
    cold, warm = (time_once(lambda: explainer.explain(images, CLASSES)) for _ in range(2))

    kept = ModelCopies(network)
    _borrow(kept)

    def bare_forward():
        with torch.inference_mode():
            network(images)

    contenders = {
        "a bare forward": bare_forward,
        "gradcam, 4 classes × 3 layers": lambda: explainer.explain(images, CLASSES),
        "  of it: a model copy, made anew": lambda: _borrow(ModelCopies(network)),
        "  of it: a model copy, used again": lambda: _borrow(kept),
    }
    for peer, prepare in PEERS.items():
        try:
            contenders[peer] = prepare(
                copy.deepcopy(network), layers, images
            )  # each library's hooks on a copy of its own
        except ImportError as error:
            print(f"{peer} takes no part: {error}")
    print(f"\n{name}, {side} × {side}; median of {rounds} rounds; gradcam cold {cold:.1f} ms, warm {warm:.1f} ms")
    print(table(medians(contenders, rounds), "a bare forward"))


def batches(rounds, device):
    """64 images in one call, split into batches of several sizes, against 64 calls."""
    torch.manual_seed(0)
    network, images = CNN(hidden=32).eval().to(device), torch.rand(64, 3, 256, 256)
    explainer = Explainer(network, ["conv_layers.6"])
    contenders = {"singles": lambda: [explainer.explain(image[None]) for image in images]}
    for size in (1, 2, 4, 8, 16, 64):
        contenders[f"{size} images at once"] = lambda size=size: explainer.explain(images, at_once=size)
    contenders["all together, as they came"] = lambda: explainer.explain(images)
    print(f"\n64 images, predicted class, last layer, 32 hidden units; median of {rounds} rounds")
    times = medians(contenders, rounds)
    print(table(times, "singles"))
    print("images/s: " + ", ".join(f"{name} {64_000 / ms:.0f}" for name, ms in times.items()))


def _borrow(copies):
    with copies.borrow():
        pass


def memory():
    """Peak memory of one call above the baseline: ResNet-50's shape, 10 targets, 4 layers."""
    network, images = shapes.resnet50(), torch.rand(1, 3, 224, 224)
    explainer = Explainer(network, ["1", "2", "3", "4"])
    explainer.explain(images, 0)
    peak = _peak_memory(lambda: explainer.explain(images, list(range(10))))
    print(f"\nResNet-50's shape, 10 targets × 4 layers, 224 × 224: {peak:.0f} MiB above the model's own")


def memory_of_a_segmenter():
    """The same for a U-Net's bottleneck: 21 classes summed over a region, 4 images; its head is at full resolution."""
    network, images = shapes.unet(), torch.rand(4, 3, 256, 256)
    with torch.inference_mode():
        network(images[:1])
    region = torch.zeros(256, 256)
    region[50:150, 60:200] = 1
    targets = [lambda outputs, label=label: (outputs[:, label] * region).sum((1, 2)) for label in range(21)]
    peak = _peak_memory(lambda: Explainer(network, "bottleneck").explain(images, targets))
    print(f"\nA U-Net, 21 regions, 4 images, 256 × 256: {peak:.0f} MiB above the model's own")


def _peak_memory(work):
    """The process's peak resident memory in MiB during `work`, above what it was before."""
    before, peak, stop = _resident_bytes(), [0], threading.Event()

    def watch():
        while not stop.is_set():
            peak[0] = max(peak[0], _resident_bytes())
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    stop.set()
    watcher.join()
    return (peak[0] - before) / 2**20


def _resident_bytes():
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--only", nargs="+", choices=[*NETWORKS, "batches", "memory"], default=[*NETWORKS, "batches", "memory"]
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps; memory is measured on the CPU only")
    args = parser.parse_args()
    print(describe_device(args.device))
    for name in args.only:
        if name in NETWORKS:
            compare(name, args.rounds, args.device)
        elif name == "batches":
            batches(max(3, args.rounds // 4), args.device)
        else:
            memory()
            memory_of_a_segmenter()


if __name__ == "__main__":
    main()
