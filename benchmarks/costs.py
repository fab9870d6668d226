"""What one heatmap costs: every method, occlusion and KernelSHAP, in passes and milliseconds, beside a bare forward; and the whole Trust tab.

    python benchmarks/costs.py [--rounds 5] [--example test/0_000] [--model embedded]

KernelSHAP takes part where captum and scikit-learn import. Read the ratios, not the milliseconds.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from rounds import medians, table

sys.path.insert(0, str(Path(__file__).parent.parent))

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.photos.superpixels import superpixels
from explorer.tabs.trust.checks import Trust
from explorer.tabs.trust.costs import PATCH, SEGMENTS, STRIDE, captums_kernel_shap, kernel_shap
from explorer.tabs.trust.map_under_test import map_under_test
from explorer.tabs.trust.pass_counter import Counted, Tally
from gradcam import METHODS, occlusion

FORWARD = "a bare forward"


def ways_of(asked):
    """Name → what makes the map of a given network, for all that apply to it."""
    made = {name: lambda net, name=name: asked.heat(name, net, f"network.{asked.layer}") for name in METHODS}
    made["occlusion"] = lambda net: occlusion(net, asked.image, asked.question, PATCH, STRIDE)
    try:
        library, segments = captums_kernel_shap(), superpixels(asked.explained.photo, SEGMENTS)
        made["KernelSHAP"] = lambda net: kernel_shap(library, net, asked, segments, lambda part: None)
    except ImportError as error:
        print(f"KernelSHAP takes no part: {error}")
    return made


def passes(asked, make):
    """(forward, backward), or None where the method does not apply."""
    counted, tally = Counted(asked.network), Tally()
    counted.register_forward_hook(tally)
    try:
        make(counted)
    except ValueError as error:
        print(str(error).split(";")[0])
        return None
    return tally.forward, tally.backward


def whole_tab(example, model):
    """Seconds until the checks, and until everything, on a photo that was not asked about before."""
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
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    example, service = examples.embedded().every[options.example], ExplanationService()
    asked = map_under_test(service, example.file, options.model, "predicted", "conv3", example.mask)
    asked = replace(asked, network=service.network(options.model))
    made = ways_of(asked)
    counted = {name: passes(asked, make) for name, make in made.items()}

    def forward():
        with torch.inference_mode():
            asked.network(asked.image[None])

    contenders = {
        f"{name}: {counts[0]} forward, {counts[1]} backward": lambda make=made[name]: make(Counted(asked.network))
        for name, counts in counted.items()
        if counts
    }
    print(table(medians({FORWARD: forward, **contenders}, options.rounds), FORWARD))
    found = sorted((whole_tab(example, options.model) for _ in range(3)), key=lambda seconds: seconds[1])
    print(f"the whole tab, best of 3: checks after {found[0][0]:.1f} s, everything after {found[0][1]:.1f} s")


if __name__ == "__main__":
    main()
