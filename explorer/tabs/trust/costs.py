"""The cost of a heatmap by four ways: one gradient, left-out activation maps, occlusion, and Shapley values."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer.explanation.device import at_once
from explorer.explanation.service import Progress
from explorer.photos.superpixels import superpixels
from gradcam import occlusion
from gradcam.forward_pass import logits_of
from gradcam.heatmaps import states
from gradcam.targets import as_targets, scores

from .map_under_test import MapUnderTest
from .methods import Comparison
from .pass_counter import Cost, measure_cost

PATCH, STRIDE = 48, 32  # pixels of the covered square, and how far it moves; of 256
HIDDEN = 0.5  # the grey that covers
SEGMENTS = 49  # superpixels, about
SAMPLES = 4 * SEGMENTS  # coalitions for KernelSHAP; fewer than SEGMENTS could not determine as many unknowns
AT_ONCE = 8
MISSING = "Not installed here: “pip install captum scikit-learn” adds it."


@dataclass(frozen=True)
class CostRow:
    name: str
    how: str  # in a visitor's words
    heat: Tensor | None = None  # [h, w]
    state: str = "evidence"  # gradcam's word for the map
    cost: Cost | None = None
    missing: str = ""  # why there is no map


def cost_rows(comparison: Comparison, progress: Progress) -> tuple[CostRow, ...]:
    """The four ways; the first two were measured with the other methods."""
    tested = comparison.tested
    return (
        _measured_row(comparison, "Grad-CAM", "one gradient"),
        _measured_row(comparison, "Ablation-CAM", "leaves out one map after the other"),
        _occlusion_row(tested, progress),
        _shapley_row(tested, progress),
    )


def verdict(rows: tuple[CostRow, ...]) -> str:
    """The other ways against Grad-CAM, by time and passes; of those that were timed here."""
    first, *rest = ((row, row.cost) for row in rows)
    timed = [(row, cost) for row, cost in rest if cost]
    grad_cam, grad_cam_cost = first
    if not grad_cam_cost or not timed:
        return "Nothing to compare: only one way could be timed."
    factors = ", ".join(f"{row.name} took {_times(cost.ms / grad_cam_cost.ms)} as long" for row, cost in timed)
    cheapest, _ = min([(grad_cam, grad_cam_cost), *timed], key=lambda timing: timing[1].ms)
    verdict = "Grad-CAM is the cheapest here" if cheapest is grad_cam else f"{cheapest.name} is the cheapest here"
    caveat = "Timed on this photo, for one class at one layer, while this machine may be doing other work."
    return f"{verdict}: {factors}. {caveat}"


def captums_kernel_shap():
    """The class, imported on use. Raises ImportError if captum, or the scikit-learn it fits with, is not installed."""
    import sklearn.linear_model  # noqa: F401 (captum imports it only after all passes are done)  # pyright: ignore[reportMissingImports] (optional)
    from captum.attr import KernelShap  # pyright: ignore[reportMissingImports] (optional)

    return KernelShap


def kernel_shap(library, model: nn.Module, tested: MapUnderTest, segments, progress: Callable[[float], None]) -> Tensor:
    """What each superpixel adds to the target's score, by KernelSHAP (Lundberg & Lee 2017, arXiv:1705.07874): [h, w].

    library: the result of `captums_kernel_shap`. segments: their labels 0…n−1, [h, w]. Negative values are set to zero.
    """
    targets, device = as_targets(tested.question), next(model.parameters()).device
    with torch.no_grad():
        reference = logits_of(model(tested.image[None].to(device)))
    evaluated = 0

    def score(images):
        nonlocal evaluated
        evaluated += len(images)
        progress(min(1.0, evaluated / SAMPLES))
        with torch.no_grad():
            return scores(logits_of(model(images)), reference, targets)[0]

    with torch.random.fork_rng(devices=[]):  # the library draws from torch's own
        torch.manual_seed(0)
        values = library(score).attribute(
            tested.image[None].to(device),
            baselines=tested.plain(HIDDEN)[None].to(device),
            feature_mask=torch.from_numpy(segments).long()[None, None].to(device),
            n_samples=SAMPLES,
            perturbations_per_eval=AT_ONCE,
        )  # [1, 3, S, S]: the same in every colour
    return values[0, 0].float().cpu().relu()


def _occlusion_row(tested, progress):
    task = "Occlusion: covering one patch after the other"
    patch, stride = (max(1, round(pixels * tested.scale)) for pixels in (PATCH, STRIDE))
    progress(0, task=task)

    def occlude(model):
        return occlusion(
            model,
            tested.image,
            tested.question,
            patch,
            stride,
            tested.plain(HIDDEN),
            progress=lambda part: progress(part / 2, task=task),
            at_once=at_once(model),
        )

    return _timed_row("Occlusion", f"covers a square of {patch} pixels, moved by {stride}", occlude, tested)


def _shapley_row(tested, progress):
    segments = superpixels(tested.explained.seen, SEGMENTS)
    how = f"hides {segments.max() + 1} superpixels in {SAMPLES} combinations"
    try:
        library = captums_kernel_shap()
    except ImportError:
        return CostRow("KernelSHAP", how, missing=MISSING)

    def report(part):
        progress(0.5 + part / 2, task="KernelSHAP: hiding superpixels together")

    return _timed_row("KernelSHAP", how, lambda model: kernel_shap(library, model, tested, segments, report), tested)


def _timed_row(name, how, make, tested):
    heat, cost = measure_cost(make, tested.loaded_network)
    return CostRow(name, how, heat, str(states(heat)), cost)


def _measured_row(comparison, name, how):
    row = comparison.row(name)
    return CostRow(name, how, row.heat, row.state, row.cost, row.refusal)


def _times(factor):
    return f"{factor:.0f} ×" if factor >= 10 else f"{factor:.1f} ×"
