"""Every CAM method on one photo against random maps and edges: insertion, deletion, heat on each part, and cost."""

import statistics
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from explorer.explanation.service import Progress
from explorer.rendering.wording import titled
from gradcam import METHODS, faithfulness, take_apart
from gradcam.heatmaps import states

from .map_under_test import MEASURED_PARTS, MapUnderTest
from .pass_counter import Cost, measure_cost

STEPS = 10  # of each curve: a tenth of the pixels at a time
# Pixels; insertion begins with broad colours only. After a blur of 10 these networks, which go by colour, still predict
# the same.
BLUR = 80.0
DRAWS = 3  # random maps
MARGIN = 0.02  # of a curve's area: what a method must be ahead by
MOST_MAPS = 128  # of a layer, for methods with a pass for each: 320 of lite0's take 8 s, and two methods do that
DROP = 0.2  # of probability, from photo to changed photo: with less, a curve cannot tell maps apart

RANDOM, EDGES = "Random map", "Edges of the photo"
CURVES = ("insertion", "deletion")


@dataclass(frozen=True)
class Areas:
    """Areas under the two curves, 0…1: of insertion more is better, of deletion less."""

    insertion: float
    deletion: float


@dataclass(frozen=True)
class Row:
    """One map: of a method, or of a yardstick that does not depend on the model."""

    name: str
    state: str  # gradcam's word: "evidence", "empty", "constant", "not finite"; or "refused"
    refusal: str = ""  # why the method does not apply
    heat: Tensor | None = None  # [h, w]
    cost: Cost | None = None  # None: no forward pass was needed
    areas: Areas | None = None  # None: not measured
    shares: dict[str, float] = field(default_factory=dict)  # part → share of the heat, 0…1; if there is a mask

    @property
    def yardstick(self) -> bool:
        return self.name not in METHODS


@dataclass(frozen=True)
class Ends:
    """The class's probability for the photo, and at the ends of the two curves where nothing of the photo is left."""

    photo: float
    blurred: float  # where insertion begins
    black: float  # where deletion ends

    def drop(self, curve: str) -> float:
        """How much the probability drops over a curve; below zero: it is higher without the photo."""
        return self.photo - {"insertion": self.blurred, "deletion": self.black}[curve]

    def best(self, curve: str) -> float:
        """The area of a map whose first step decides everything: the best that STEPS can measure."""
        first = self.drop(curve) / (2 * STEPS)
        return self.photo - first if curve == "insertion" else self.black + first


@dataclass(frozen=True)
class Verdict:
    word: str  # "better", "partly", "no better", "cannot tell", "nothing to measure", "refused", "yardstick"
    sentence: str


@dataclass(frozen=True)
class Comparison:
    tested: MapUnderTest
    rows: tuple[Row, ...]  # the methods, then the random maps' mean, then the edges
    draws: tuple[Areas, ...]  # of each random map; empty if nothing could be measured
    ends: Ends | None

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    @property
    def part_areas(self) -> dict[str, float]:
        """Part → its share of the photo, 0…1; if there is a mask. A share of heat is to be compared with it."""
        masks = {name: self.tested.part(name) for name in MEASURED_PARTS}
        return {name: float(mask.float().mean()) for name, mask in masks.items() if mask is not None}

    def chance(self, curve: str) -> tuple[float, float]:
        """The smallest and the largest area of the random maps."""
        areas = [getattr(draw, curve) for draw in self.draws]
        return min(areas), max(areas)

    @property
    def informative(self) -> tuple[str, ...]:
        """The curves that can tell maps apart: see `why_uninformative`."""
        return tuple(curve for curve in CURVES if self.ends and not self.why_uninformative(curve))

    def why_uninformative(self, curve: str) -> str:
        """Why a curve cannot tell maps apart; "" if it can. Only if there are `ends`.

        Over an informative curve the probability drops by at least DROP, and the best random map leaves room
        for being MARGIN ahead of it.
        """
        ends, target = self.ends, titled(self.tested.target)
        assert ends is not None
        if ends.drop(curve) < DROP:
            blurred, black = f"blurred beyond shapes {ends.blurred:.2f}", f"black {ends.black:.2f}"
            changed = blurred if curve == "insertion" else black
            return f"{curve} cannot tell (probability of {target}: whole photo {ends.photo:.2f}, {changed})"
        low, high = self.chance(curve)
        room = ends.best(curve) - high if curve == "insertion" else low - ends.best(curve)
        if room < MARGIN:
            verb = "brings it back" if curve == "insertion" else "takes it away"
            return f"{curve} cannot tell (almost any tenth of the photo {verb})"
        return ""

    def verdict(self, row: Row) -> Verdict:
        """Whether a map locates what the model needs better than chance, by this rule.

        Only `informative` curves are used. A map is ahead on one when its area is better than that of the best of DRAWS
        random maps by at least MARGIN. Ahead on every used curve: "better", unless the photo's bare edges are as good
        on all of them: "no better than edges"; on one of two: "partly"; on none: "no better". No usable curve: "cannot
        tell". It is a verdict on this photo, class and layer only.
        """
        if row.state == "refused":
            return Verdict("refused", f"Not for this network: {row.refusal}.")
        if row.state != "evidence":
            return Verdict("nothing to measure", _nothing_to_measure(row.state, self.tested))
        if row.name == EDGES:
            return Verdict(
                "yardstick", "The photo's edges, found without the model: a map should find more than these."
            )
        if row.name == RANDOM:
            return Verdict("yardstick", f"Knows nothing: {DRAWS} maps of seeded noise, as coarse as the layer's own.")
        if self.ends is None:
            return Verdict("cannot tell", self.tested.unmeasurable)
        used = self.informative
        if not used:
            return Verdict("cannot tell", "Neither curve can tell maps apart here.")
        ahead = [curve for curve in used if self._lead(row, curve) >= MARGIN]
        word = "better" if len(ahead) == len(used) else "partly" if ahead else "no better"
        if word == "better" and not self._ahead_of_edges(row, used):
            word = "no better than edges"
        return Verdict(word, f"{_HEADS[word]} {self._reasons(row, used)}{self._edges(row, used)}")

    def _lead(self, row, curve):
        """How far the map is ahead of the best random one; below zero: behind it."""
        low, high = self.chance(curve)
        area = getattr(row.areas, curve)
        return area - high if curve == "insertion" else low - area

    def _reasons(self, row, used):
        reasons = []
        for curve in used:
            low, high = self.chance(curve)
            best = high if curve == "insertion" else low
            reasons.append(f"{curve} {getattr(row.areas, curve):.2f}, best random {best:.2f}")
        return "; ".join(reasons) + "."

    def _ahead_of_edges(self, row, used):
        """Whether the map is better than the photo's bare edges on a used curve, or there are none."""
        edges = self.row(EDGES).areas
        return not edges or any(_better(row.areas, edges, curve) for curve in used)

    def _edges(self, row, used):
        if row.yardstick:
            return ""
        edges = self.row(EDGES).areas
        behind = [curve for curve in used if edges and not _better(row.areas, edges, curve)]
        return f" The photo's bare edges do as well on {' and '.join(behind)}." if behind else ""


_HEADS = {
    "better": "Better than random:",
    "partly": "Ahead of random on one curve only:",
    "no better": "No better than random:",
    "no better than edges": "Better than random, and no better than the photo's bare edges:",
}


def compare(tested: MapUnderTest, progress: Progress) -> Comparison:
    """Compute and measure every method's map and the yardsticks'."""
    rows, count, blurred = [], len(METHODS) + 1, blur(tested.image, BLUR * tested.scale)
    for done, name in enumerate(METHODS):
        progress(done / count, task=f"{name}: drawing and measuring its map")
        rows.append(_measure(tested, _method_row(tested, name), blurred)[0])
    progress(len(METHODS) / count, task="measuring maps that know nothing")
    gradient = sobel(tested.explained.seen)
    edges, _ = _measure(tested, Row(EDGES, str(states(gradient)), heat=gradient), blurred)
    noise = [_measure(tested, Row(RANDOM, "evidence", heat=heat), blurred) for heat in random_maps(tested)]
    random, ends = zip(*noise)
    areas = tuple(row.areas for row in random if row.areas)
    return Comparison(tested, (*rows, _mean(random), edges), areas, ends[0])


def blur(image: Tensor, sigma: float = BLUR) -> Tensor:
    """Broad colours only: [3, h, w]."""
    return torch.from_numpy(cv2.GaussianBlur(image.permute(1, 2, 0).numpy(), (0, 0), sigma)).permute(2, 0, 1)


def random_maps(tested: MapUnderTest) -> list[Tensor]:
    """DRAWS maps of seeded noise with as many pixels as the layer's own, upsampled like them: each [h, w]."""
    layer = tested.explained.layer(tested.column).readable
    anatomy = take_apart(tested.loaded_network, layer, tested.image, tested.question)
    size = anatomy.activation.shape[-2:]
    seeds = [torch.Generator().manual_seed(seed) for seed in range(DRAWS)]
    noise = torch.stack([torch.rand(1, *size, generator=seed) for seed in seeds])  # [DRAWS, 1, h, w]
    return list(F.interpolate(noise, size=tested.image.shape[-2:], mode="bilinear", align_corners=False)[:, 0])


def sobel(photo: np.ndarray) -> Tensor:
    """The gradient magnitude of the photo's brightness at each pixel, [h, w]: independent of the model."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return torch.from_numpy(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)))


def _method_row(tested, name):
    layer = tested.layer_inside("network")  # of the one that counts passes
    if refusal := _too_many_passes(tested, name):
        return Row(name, "refused", refusal=refusal)
    try:
        heat, cost = measure_cost(lambda model: tested.heat(name, model, layer), tested.loaded_network)
    except ValueError as error:
        return Row(name, "refused", refusal=str(error).split(";")[0])
    return Row(name, str(states(heat)), heat=heat, cost=cost)


def _too_many_passes(tested, name):
    """Why a method is left out that takes a forward pass for each of many maps; "" where it is not."""
    maps = tested.maps
    if METHODS[name].passes == "1" or maps <= MOST_MAPS:
        return ""
    return f"it takes a forward pass for each of {maps} maps here, more than this tab waits for"


def _measure(tested, row, blurred):
    """The row with its figures, and the ends of its curves, which are the same for every map."""
    if row.state != "evidence":
        return row, None
    masks = {name: tested.part(name) for name in MEASURED_PARTS}
    shares = {name: faithfulness.heat_share(row.heat, mask) for name, mask in masks.items() if mask is not None}
    if tested.unmeasurable:
        return replace(row, shares=shares), None
    # Insertion is deletion from the blurred photo, with the photo to fill in: so the blur, as slow as ten passes, is
    # computed once for all maps.
    inserted = faithfulness.deletion(tested.probability, blurred, row.heat, STEPS, fill=tested.image)
    deleted = faithfulness.deletion(tested.probability, tested.image, row.heat, STEPS, fill=tested.plain(0))
    ends = Ends(photo=deleted.scores[0], blurred=inserted.scores[0], black=deleted.scores[-1])
    return replace(row, areas=Areas(inserted.area, deleted.area), shares=shares), ends


def _mean(rows):
    """The first random map, with the mean of all their figures."""
    first = rows[0]
    areas = first.areas and Areas(*(statistics.mean(getattr(row.areas, curve) for row in rows) for curve in CURVES))
    shares = {name: statistics.mean(row.shares[name] for row in rows) for name in first.shares}
    return replace(first, areas=areas, shares=shares)


def _better(one, other, curve):
    lead = getattr(one, curve) - getattr(other, curve)
    return (lead if curve == "insertion" else -lead) > 0


def _nothing_to_measure(state, tested):
    if state == "empty":
        return f"No positive evidence for {titled(tested.target)} at {tested.column}: there is nothing to measure."
    return f"This map is {state}, so it ranks no pixel before another: there is nothing to measure."
