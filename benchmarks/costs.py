"""Cost of one heatmap by every method, occlusion and KernelSHAP, in passes and milliseconds; and the whole Trust tab.

    python -m benchmarks.costs [--rounds 5] [--example test/0_000] [--model embedded]

Times are compared with a bare forward pass: read the ratios, not the milliseconds. KernelSHAP takes part where captum
and scikit-learn are installed.
"""

import argparse
import time
from dataclasses import replace

import torch

from benchmarks.rounds import medians, table
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.photos.superpixels import superpixels
from explorer.tabs.trust.checks import Trust
from explorer.tabs.trust.costs import PATCH, SEGMENTS, STRIDE, captums_kernel_shap, kernel_shap
from explorer.tabs.trust.map_under_test import map_under_test
from explorer.tabs.trust.pass_counter import Counted, Tally
from gradcam import METHODS, occlusion

FORWARD = "a bare forward"


def heatmap_functions(subject):
    """Name → function that computes the map on a given network, for every method that is installed."""
    functions = {
        name: lambda network, name=name: subject.heat(name, network, f"network.{subject.layer}") for name in METHODS
    }
    functions["occlusion"] = lambda network: occlusion(network, subject.image, subject.question, PATCH, STRIDE)
    try:
        library, segments = captums_kernel_shap(), superpixels(subject.explained.photo, SEGMENTS)
        functions["KernelSHAP"] = lambda network: kernel_shap(library, network, subject, segments, lambda part: None)
    except ImportError as error:
        print(f"KernelSHAP takes no part: {error}")
    return functions


def count_passes(subject, function):
    """(forward, backward), or None where the method does not apply."""
    counted, tally = Counted(subject.network), Tally()
    counted.register_forward_hook(tally)
    try:
        function(counted)
    except ValueError as error:
        print(str(error).split(";")[0])
        return None
    return tally.forward, tally.backward


def time_whole_tab(example, model):
    """Seconds until the checks, and until everything, on a photo that is not cached."""
    trust, started = Trust(ExplanationService()), time.perf_counter()
    trust.checks(example.file, model, "Grad-CAM", "predicted", "conv3", example.mask)
    checked = time.perf_counter()
    trust.measured(example.file, model, "predicted", "conv3", example.mask)
    return checked - started, time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--example", default="test/0_000")
    parser.add_argument("--model", default="embedded")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    example, service = examples.embedded().every[args.example], ExplanationService()
    subject = map_under_test(service, example.file, args.model, "predicted", "conv3", example.mask)
    subject = replace(subject, network=service.network(args.model))
    functions = heatmap_functions(subject)
    passes = {name: count_passes(subject, function) for name, function in functions.items()}

    def forward():
        with torch.inference_mode():
            subject.network(subject.image[None])

    contenders = {
        f"{name}: {counts[0]} forward, {counts[1]} backward": lambda f=functions[name]: f(Counted(subject.network))
        for name, counts in passes.items()
        if counts
    }
    print(table(medians({FORWARD: forward, **contenders}, args.rounds), FORWARD))
    checks, everything = min((time_whole_tab(example, args.model) for _ in range(3)), key=lambda seconds: seconds[1])
    print(f"the whole tab, best of 3: checks after {checks:.1f} s, everything after {everything:.1f} s")


if __name__ == "__main__":
    main()
