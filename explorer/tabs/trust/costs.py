"""What a heatmap costs by four ways of making one: a gradient, maps left out, patches covered, a game among superpixels."""

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

PATCH, STRIDE = 48, 32  # pixels of the covered square, and how far it moves
HIDDEN = 0.5  # the grey that covers
SEGMENTS = 49  # superpixels, about
SAMPLES = (
    4 * SEGMENTS
)  # coalitions of superpixels that KernelSHAP asks about; fewer than SEGMENTS could not settle as many unknowns
AT_ONCE = 8
MISSING = "Not installed here: “pip install captum scikit-learn” adds it."


@dataclass(frozen=True)
class CostRow:
    name: str
    how: str  # in a visitor's words
    heat: Tensor | None = None  # [S, S]
    state: str = "evidence"  # gradcam's word for the map
    cost: Cost | None = None
    missing: str = ""  # why there is no map


def cost_rows(comparison: Comparison, progress: Progress) -> tuple[CostRow, ...]:
    """The four ways; the first two were measured with the other methods."""
    subject = comparison.subject
    progress(0, task="Occlusion: covering one patch after the other")
    covered = _weighed(
        "Occlusion",
        f"covers a square of {PATCH} pixels, moved by {STRIDE}",
        lambda model: occlusion(
            model, subject.image, subject.question, PATCH, STRIDE, HIDDEN,
            progress=lambda part: progress(part / 2, task="Occlusion: covering one patch after the other"), at_once=at_once(model),
        ),
        subject,
    )  # fmt: skip
    played = _shapley(subject, lambda part: progress(0.5 + part / 2, task="KernelSHAP: hiding superpixels together"))
    return (
        _known(comparison, "Grad-CAM", "one gradient"),
        _known(comparison, "Ablation-CAM", "leaves out one map after the other"),
        covered,
        played,
    )


def verdict(found: tuple[CostRow, ...]) -> str:
    """The ways against Grad-CAM, by the clock and by the passes; nothing is claimed that was not timed here."""
    first, *rest = found
    timed = [way for way in rest if way.cost]
    if not first.cost or not timed:
        return "Nothing to compare: only one way could be timed."
    factors = ", ".join(f"{way.name} took {_times(way.cost.ms / first.cost.ms)} as long" for way in timed)
    cheapest = min([first, *timed], key=lambda way: way.cost.ms)
    verdict = "Grad-CAM is the cheapest here" if cheapest is first else f"{cheapest.name} is the cheapest here"
    return f"{verdict}: {factors}. Timed on this photo, for one class at one layer, while this machine may be doing other work."


def captums_kernel_shap():
    """The class, imported only where it is wanted. Raises ImportError where captum, or the scikit-learn it fits with, is not installed."""
    import sklearn.linear_model  # noqa: F401 (captum asks for it only after all passes are done)
    from captum.attr import KernelShap

    return KernelShap


def kernel_shap(library, model: nn.Module, subject: MapUnderTest, segments, tell: Callable[[float], None]) -> Tensor:
    """What each superpixel adds to the target's score, by KernelSHAP (Lundberg & Lee 2017, arXiv:1705.07874): [S, S].

    library: what `captums_kernel_shap` gave. segments: their labels 0…n−1, [S, S]. What speaks against the target is left out.
    """
    targets, device = as_targets(subject.question), next(model.parameters()).device
    with torch.no_grad():
        reference = logits_of(model(subject.image[None].to(device)))
    asked = 0

    def score(images):
        nonlocal asked
        asked += len(images)
        tell(min(1.0, asked / SAMPLES))
        with torch.no_grad():
            return scores(logits_of(model(images)), reference, targets)[0]

    with torch.random.fork_rng(devices=[]):  # the library draws from torch's own
        torch.manual_seed(0)
        values = library(score).attribute(
            subject.image[None].to(device),
            baselines=HIDDEN,
            feature_mask=torch.from_numpy(segments).long()[None, None].to(device),
            n_samples=SAMPLES,
            perturbations_per_eval=AT_ONCE,
        )  # [1, 3, S, S]: the same in every colour
    return values[0, 0].float().cpu().relu()


def _shapley(subject, tell):
    segments = superpixels(subject.explained.photo, SEGMENTS)
    how = f"hides {segments.max() + 1} superpixels in {SAMPLES} combinations"
    try:
        library = captums_kernel_shap()
    except ImportError:
        return CostRow("KernelSHAP", how, missing=MISSING)
    return _weighed("KernelSHAP", how, lambda model: kernel_shap(library, model, subject, segments, tell), subject)


def _weighed(name, how, make, subject):
    heat, cost = measure_cost(make, subject.network)
    return CostRow(name, how, heat, states(heat), cost)


def _known(comparison, name, how):
    row = comparison.row(name)
    return CostRow(name, how, row.heat, row.state, row.cost, row.refusal)


def _times(factor):
    return f"{factor:.0f} ×" if factor >= 10 else f"{factor:.1f} ×"
