"""Grad-CAM step by step: every quantity between a photo and its heatmap, for one class at one layer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, lru_cache, partial

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from explorer.explanation.device import Device
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import coloured, ground_of
from explorer.explanation.service import ExplanationService, Progress
from explorer.explanation.targets import targets_of
from explorer.rendering.wording import precise_peak, signed_number
from explorer.settings import View
from gradcam import Anatomy, take_apart
from gradcam.breakdown import SummaryRow, summary

METHOD = "Grad-CAM"  # the only one that is broken down here
TOP_MAPS = 16  # feature maps in the gallery
TOP_COUNTS = (1, 3, 8, 16)  # numbers of maps whose joint share of the heat a report gives
ZERO = 127  # index of the neutral colour in the diverging table
COLDEST = (34.0, 20.0, -56.0)  # L*a*b*, blue
NEUTRAL = (96.0, 0.0, 0.0)
HOTTEST = (34.0, 54.0, 38.0)  # red, as dark as the blue: neither sign may look stronger


@dataclass(frozen=True)
class Steps:
    """Letters as in `Anatomy`: Aᵏ the layer's maps, αₖ their weights, y the score, S = Σ αₖAᵏ."""

    explained: ExplainedPhoto
    target: str  # an entry of explained.targets
    column: str  # one of the model's
    anatomy: Anatomy
    network: tuple[SummaryRow, ...]  # its layers in the order in which they run

    @property
    def layer(self) -> str:
        return self.explained.layer(self.column).name

    @property
    def logits(self) -> dict[str, float]:
        """Of the classes that are shown."""
        logits = self.anatomy.logits.tolist()
        return {name: logits[self.explained.model.classes.index(name)] for name in self.explained.shown_classes}

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The maps, largest |αₖ| first."""
        return tuple(self.anatomy.weights.abs().argsort(descending=True, stable=True).tolist())

    @cached_property
    def by_share(self) -> tuple[int, ...]:
        """The maps in the order of the heat that they bring, those that take most away last; without heat `order`."""
        if self.shares is None:
            return self.order
        shares = self.shares
        return tuple(sorted(self.order, key=lambda k: -shares[k]))

    @property
    def peak(self) -> float:
        """The strongest evidence in the finished heatmap."""
        return self.anatomy.heatmap.max().item()

    @property
    def empty(self) -> bool:
        return self.peak <= 0

    @property
    def evidence_for(self) -> float:
        """The sum of S where it is above zero."""
        return self._summed.clamp(min=0).sum().item()

    @property
    def evidence_against(self) -> float:
        """The sum of S where it is below zero: what the ReLU removes."""
        return self._summed.clamp(max=0).sum().item()

    @property
    def positive_share(self) -> float | None:
        """The part of Σ|S| that is evidence for the target; None where S is zero everywhere."""
        total = self.evidence_for - self.evidence_against
        return self.evidence_for / total if total else None

    @cached_property
    def shares(self) -> tuple[float, ...] | None:
        """Each map's part of the heat, 1 in all: αₖAᵏ summed where S is above zero.

        Negative for a map that lowers S there. None where there is no heat.
        """
        if self.empty:
            return None
        positive = self._summed > 0  # [h, w]
        parts = self.anatomy.weights.double() * (self.anatomy.activation.double() * positive).sum((1, 2))  # [C]
        return tuple((parts / parts.sum()).tolist())

    def share_of_top(self, count: int) -> float | None:
        """The part of the heat that the `count` maps of the largest |αₖ| contribute together; None without heat."""
        return self.share_of(self.order[:count])

    @cached_property
    def hottest(self) -> tuple[int, int]:
        """Row and column where S is largest, on the layer's own grid."""
        return divmod(int(self.anatomy.summed.argmax()), self.anatomy.summed.shape[1])

    def terms(self, point: tuple[int, int]) -> Tensor:
        """αₖAᵏ at one point of the layer's grid, [C]; their sum is S there."""
        return self.anatomy.weights.double() * self.anatomy.activation[:, *point].double()

    def share_of(self, maps: Sequence[int]) -> float | None:
        """The part of the heat that these maps bring together; None without heat."""
        return None if self.shares is None else sum(self.shares[k] for k in maps)

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
            "logits": self.logits,
            "map_shape": list(anatomy.summed.shape),
            "weights": [{"index": k, "weight": anatomy.weights[k].item()} for k in self.order],
            "sum_min": anatomy.summed.min().item(),
            "sum_max": anatomy.summed.max().item(),
            "positive_share": self.positive_share,
            "peak": self.peak,
            "empty": self.empty,
            "heat_by_top_maps": [
                {"maps": count, "share": self.share_of_top(count)} for count in TOP_COUNTS if count <= len(self.order)
            ],
            "summary": [asdict(row) for row in self.network],
            "note": self.explained.note,
        }


def break_down(explained: ExplainedPhoto, network: nn.Module, target: str, column: str) -> Steps:
    """Recompute one heatmap in its steps. Raises ValueError, naming the choices, for an unknown target or column."""
    name, layer = explained.target(target), explained.layer(column)
    anatomy = take_apart(network, layer.readable, explained.image, targets_of(explained.model)[name])
    return Steps(explained, name, layer.column, anatomy, _summary(network, tuple(explained.image.shape)))


@lru_cache(maxsize=4)  # shapes depend on the size of the image only
def _summary(network, shape):
    return summary(network, torch.full(shape, 0.5))


def steps_of(device: Device, explained: ExplainedPhoto, target: str, column: str) -> Steps:
    """`break_down` with the photo's model on the device, and the device's note added."""
    work = partial(break_down, explained, target=target, column=column)
    steps, note = device.ask(explained.model.name, work)
    return replace(steps, explained=steps.explained.noted(note))


def steps_of_file(
    service: ExplanationService, file, model: str, target: str, column: str, progress: Progress | None = None
) -> Steps:
    """The steps of an uploaded file. Raises as `ExplanationService.explain_file` does."""
    return steps_of(service.device, service.explain_file(file, model, METHOD, progress, target), target, column)


# ------------------------------------------------------------------------------------------------ signed pictures


@cache
def diverging_table() -> np.ndarray:
    """255 RGB colours, blue over neutral at ZERO to red, equally dark on both sides: uint8 [255, 3]."""
    distance = np.abs(np.arange(-ZERO, ZERO + 1))[:, None] / ZERO  # [255, 1], 0 at ZERO
    end = np.where(np.arange(255)[:, None] < ZERO, COLDEST, HOTTEST)
    lab = (NEUTRAL + distance * (end - NEUTRAL)).astype(np.float32)
    return (cv2.cvtColor(lab[None], cv2.COLOR_Lab2RGB)[0] * 255).round().astype(np.uint8)


def largest_magnitude(values: Tensor) -> float:
    """The limit that gives the largest magnitude the darkest colour."""
    return values.abs().max().item()


def robust_magnitude(values: Tensor) -> float:
    """The 99th percentile of the magnitudes, the largest where that is 0: a gradient has few, extreme outliers."""
    magnitudes = values.abs().flatten()
    return magnitudes.kthvalue(-(-99 * len(magnitudes) // 100)).values.item() or largest_magnitude(values)


def colour_indices(values: Tensor, limit: float) -> np.ndarray:
    """Signed numbers [h, w] as indices into the diverging table, clipped to −limit … limit: uint8 [h, w].

    Exactly zero becomes ZERO. Raises ValueError for numbers that are not finite.
    """
    if not values.isfinite().all():
        raise ValueError(
            "There is no picture of these numbers: the model's activations or gradients overflowed; "
            "choose another layer or model."
        )
    scaled = values.double() / (limit or 1.0)  # limit 0: all zero, all neutral
    return ZERO + (scaled.clamp(-1, 1) * ZERO).round().numpy().astype(np.int16).astype(np.uint8)


def signed_picture(values: Tensor, size: tuple[int, int], limit: float) -> np.ndarray:
    """Signed numbers [h, w] in diverging colours, each a patch of one colour: RGB uint8 [*size, 3]."""
    small = diverging_table()[colour_indices(values, limit)]
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_NEAREST)


def heat_over_photo(steps: Steps, view: View) -> np.ndarray:
    """The heatmap over the photo, as the tab Explain shows it: RGB uint8 [H, W, 3].

    Raises ValueError for an unknown base or colormap.
    """
    return coloured(ground_of(steps.explained.frame, view), steps.anatomy.heatmap, view)


def captioned_pictures(steps: Steps, view: View) -> list[tuple[np.ndarray, str]]:
    """The TOP_MAPS of largest |αₖ|, S, its ReLU, the heat over the photo: (RGB uint8 [H, W, 3], caption) each."""
    anatomy, size = steps.anatomy, steps.explained.model.preprocessing.size
    limit = largest_magnitude(anatomy.summed)
    return [
        *(_captioned_map(anatomy, k, size) for k in steps.order[:TOP_MAPS]),
        (signed_picture(anatomy.summed, size, limit), f"weighted sum · {value_range(anatomy.summed)}"),
        (signed_picture(anatomy.rectified, size, limit), f"after ReLU · {value_range(anatomy.rectified)}"),
        (heat_over_photo(steps, view), f"over the photo · {precise_peak(steps.peak)}"),
    ]


def _captioned_map(anatomy, k, size):
    values, weight = anatomy.activation[k], signed_number(anatomy.weights[k].item())
    return signed_picture(values, size, largest_magnitude(values)), f"A{k} · α {weight} · {value_range(values)}"


def value_range(values: Tensor) -> str:
    """Minimum and maximum in words."""
    return f"{signed_number(values.min().item())} … {signed_number(values.max().item())}"
