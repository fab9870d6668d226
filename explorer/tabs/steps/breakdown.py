"""Grad-CAM step by step: one class at one layer of a study, and every quantity between the photo and its heatmap."""

from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial

import cv2
import numpy as np
import torch
from torch import Tensor, nn

import potplants
from explorer.explanation.device import Device
from explorer.explanation.grid import coloured, ground_of
from explorer.explanation.service import ExplainedPhoto, ExplanationService, Progress, as_image, targets_of
from explorer.rendering.wording import precise_peak, signed_number
from explorer.settings import View
from gradcam import Anatomy, take_apart

METHOD = "Grad-CAM"  # the one that is taken apart here
TOP_MAPS = 16  # feature maps in the gallery
COUNTED = (1, 3, 8, 16)  # how many of the strongest maps a report counts together
ZERO = 127  # where the diverging colours have their neutral one
COLDEST = (34.0, 20.0, -56.0)  # L*a*b*, blue
NEUTRAL = (96.0, 0.0, 0.0)
HOTTEST = (34.0, 54.0, 38.0)  # red, as dark as the blue: neither sign may look stronger


@dataclass(frozen=True)
class Steps:
    """Letters as in `Anatomy`: Aᵏ the layer's maps, αₖ their weights, y the score, S = Σ αₖAᵏ."""

    explained: ExplainedPhoto
    target: str  # an entry of study.targets
    column: str  # an entry of study.COLUMNS
    anatomy: Anatomy

    @property
    def layer(self) -> str:
        return self.explained.layer(self.column)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The maps, largest |αₖ| first."""
        return tuple(self.anatomy.weights.abs().argsort(descending=True, stable=True).tolist())

    @property
    def peak(self) -> float:
        """The strongest evidence in the finished heatmap."""
        return self.anatomy.heatmap.max().item()

    @property
    def empty(self) -> bool:
        return self.peak <= 0

    @property
    def evidence_for(self) -> float:
        """What S adds up to where it is above zero."""
        return self._summed.clamp(min=0).sum().item()

    @property
    def evidence_against(self) -> float:
        """What S adds up to where it is below zero: what the ReLU leaves out."""
        return self._summed.clamp(max=0).sum().item()

    @property
    def positive_share(self) -> float | None:
        """Of all that is in S, how much speaks for the target; None where S is zero everywhere."""
        everything = self.evidence_for - self.evidence_against
        return self.evidence_for / everything if everything else None

    @cached_property
    def shares(self) -> tuple[float, ...] | None:
        """Each map's part of the heat, 1 together: αₖAᵏ summed where S is above zero.

        Below 0: the map takes away there. None where there is no heat.
        """
        if self.empty:
            return None
        left = self._summed > 0  # [h, w]
        parts = self.anatomy.weights.double() * (self.anatomy.activation.double() * left).sum((1, 2))  # [C]
        return tuple((parts / parts.sum()).tolist())

    def share_of_top(self, count: int) -> float | None:
        """The part of the heat that the `count` maps of the largest |αₖ| bring together."""
        return self.shares and sum(self.shares[k] for k in self.order[:count])

    @cached_property
    def hottest(self) -> tuple[int, int]:
        """Row and column where S is largest, on the layer's own grid."""
        return divmod(self.anatomy.summed.argmax().item(), self.anatomy.summed.shape[1])

    def terms(self, point: tuple[int, int]) -> Tensor:
        """αₖAᵏ at one point of the layer's grid, [C]; their sum is S there."""
        return self.anatomy.weights.double() * self.anatomy.activation[:, *point].double()

    @property
    def _summed(self):
        return self.anatomy.summed.double()

    def report(self) -> dict:
        """The steps in numbers, ready for JSON."""
        model, anatomy = self.explained.model, self.anatomy
        return {
            "model": model.name,
            "method": METHOD,
            "target": self.target,
            "layer": self.layer,
            "score": anatomy.score,
            "logits": dict(zip(model.classes, anatomy.logits.tolist())),
            "map_shape": list(anatomy.summed.shape),
            "weights": [{"index": k, "weight": anatomy.weights[k].item()} for k in self.order],
            "sum_min": anatomy.summed.min().item(),
            "sum_max": anatomy.summed.max().item(),
            "positive_share": self.positive_share,
            "peak": self.peak,
            "empty": self.empty,
            "heat_by_top_maps": [
                {"maps": count, "share": self.share_of_top(count)} for count in COUNTED if count <= len(self.order)
            ],
            "summary": [asdict(row) for row in summary(model)],
            "note": self.explained.note,
        }


def take_steps(explained: ExplainedPhoto, network: nn.Module, target: str, column: str) -> Steps:
    """Take one heatmap of the study apart. Raises ValueError, naming what there is, for an unknown target or column."""
    name, layer = explained.target(target), explained.layer(column)
    question = targets_of(explained.model)[name]
    return Steps(explained, name, column, take_apart(network, layer, as_image(explained.photo)[0], question))


def steps_of(device: Device, explained: ExplainedPhoto, target: str, column: str) -> Steps:
    """What `take_steps` gives, asked of the study's model where models compute."""
    work = partial(take_steps, explained, target=target, column=column)
    steps, note = device.ask(explained.model.name, work)
    return replace(steps, explained=steps.explained.noted(note))


def steps_of_file(
    service: ExplanationService, file, model: str, target: str, column: str, progress: Progress | None = None
) -> Steps:
    """The steps of a visitor's file. Raises as `Studies.of` does."""
    return steps_of(service.device, service.explain_file(file, model, METHOD, progress), target, column)


# --------------------------------------------------------------------------------------------------- the network


@dataclass(frozen=True)
class SummaryRow:
    layer: str
    kind: str
    output_shape: tuple[int, ...]  # of one photo
    parameters: int


@cache
def summary(model: potplants.Model) -> tuple[SummaryRow, ...]:
    """The network's layers in the order they run. Only shapes are computed, so no weights are needed."""
    rows = []
    with torch.device("meta"), torch.no_grad():
        network = model.network().eval()
        for name, module in network.named_modules():
            if not any(module.children()):
                module.register_forward_hook(partial(_note, rows, name))
        network(torch.empty(1, 3, model.size, model.size))
    return tuple(rows)


def _note(rows, name, module, inputs, output):
    parameters = sum(parameter.numel() for parameter in module.parameters())
    rows.append(SummaryRow(name, type(module).__name__, tuple(output.shape[1:]), parameters))


# ------------------------------------------------------------------------------------------------ signed pictures


@cache
def diverging_table() -> np.ndarray:
    """255 RGB colours, blue over a neutral one at ZERO to red, equally dark on both sides: uint8 [255, 3]."""
    away = np.abs(np.arange(-ZERO, ZERO + 1))[:, None] / ZERO  # [255, 1], 0 at ZERO
    end = np.where(np.arange(255)[:, None] < ZERO, COLDEST, HOTTEST)
    lab = (NEUTRAL + away * (end - NEUTRAL)).astype(np.float32)
    return (cv2.cvtColor(lab[None], cv2.COLOR_Lab2RGB)[0] * 255).round().astype(np.uint8)


def reach(values: Tensor) -> float:
    """The largest magnitude: the darkest colour on either side."""
    return values.abs().max().item()


def usual_reach(values: Tensor) -> float:
    """The magnitude that a hundredth of the numbers exceeds, or else the largest.

    Gradients have few points that outshine all others.
    """
    magnitudes = values.abs().flatten()
    return magnitudes.kthvalue(-(-99 * len(magnitudes) // 100)).values.item() or reach(values)


def shades(values: Tensor, limit: float) -> np.ndarray:
    """Signed numbers [h, w] as places in the diverging table, −limit … limit and no further: uint8 [h, w].

    Exactly zero is ZERO. Raises ValueError for numbers that are not finite.
    """
    if not values.isfinite().all():
        raise ValueError(
            "There is no picture of these numbers: the model's activations or gradients overflowed; "
            "choose another layer or model."
        )
    scaled = values.double() / (limit or 1.0)  # all zero: all neutral
    return ZERO + (scaled.clamp(-1, 1) * ZERO).round().numpy().astype(np.int16).astype(np.uint8)


def signed_picture(values: Tensor, side: int, limit: float) -> np.ndarray:
    """Signed numbers [h, w] in diverging colours, each a square of one colour: RGB uint8 [side, side, 3]."""
    small = diverging_table()[shades(values, limit)]
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST)


def laid_over(steps: Steps, view: View) -> np.ndarray:
    """The last step, as the tab Explain shows it: RGB uint8 [S, S, 3].

    Raises ValueError for an unknown base or colormap.
    """
    return coloured(ground_of(steps.explained.photo, view), steps.anatomy.heatmap, view)


def gallery(steps: Steps, view: View) -> list[tuple[np.ndarray, str]]:
    """The strongest maps, then S, its ReLU and the heat over the photo: (RGB uint8 [S, S, 3], caption) each."""
    anatomy, side = steps.anatomy, steps.explained.model.size
    strongest = reach(anatomy.summed)
    maps = [
        (
            signed_picture(values, side, reach(values)),
            f"A{k} · α {signed_number(anatomy.weights[k].item())} · {span(values)}",
        )
        for k, values in ((k, anatomy.activation[k]) for k in steps.order[:TOP_MAPS])
    ]
    return [
        *maps,
        (signed_picture(anatomy.summed, side, strongest), f"weighted sum · {span(anatomy.summed)}"),
        (signed_picture(anatomy.rectified, side, strongest), f"after ReLU · {span(anatomy.rectified)}"),
        (laid_over(steps, view), f"over the photo · {precise_peak(steps.peak)}"),
    ]


def span(values: Tensor) -> str:
    """From the smallest to the largest."""
    return f"{signed_number(values.min().item())} … {signed_number(values.max().item())}"
