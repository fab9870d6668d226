"""Every CAM method on one photo, beside maps that know nothing: who finds what the model needs, and at what cost."""

import statistics
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from explorer.explanation.service import Progress
from gradcam import METHODS, faithfulness, take_apart
from gradcam.heatmaps import states

from .map_under_test import MEASURED_PARTS, MapUnderTest
from .pass_counter import Cost, measure_cost

STEPS = 10  # of each curve: a tenth of the pixels at a time
BLUR = 80.0  # pixels; insertion begins with broad colours only. After a blur of 10 these colour-minded networks still answer as before
DRAWS = 3  # random maps
MARGIN = 0.02  # of a curve's area: what a method must be ahead by
SPAN = (
    0.2  # of probability: less than that between photo and changed photo, and a curve has nothing to tell maps apart by
)

RANDOM, EDGES = "Random map", "Edges of the photo"
CURVES = ("insertion", "deletion")


@dataclass(frozen=True)
class Areas:
    """Areas under the two curves, 0…1: of insertion more is better, of deletion less."""

    insertion: float
    deletion: float


@dataclass(frozen=True)
class Row:
    """One map: of a method, or of a yardstick that never asked the model."""

    name: str
    state: str  # gradcam's word: "evidence", "empty", "constant", "not finite"; or "refused"
    refusal: str = ""  # why the method does not apply
    heat: Tensor | None = None  # [S, S]
    cost: Cost | None = None  # None: no model was asked
    areas: Areas | None = None  # None: not measured
    shares: dict[str, float] = field(
        default_factory=dict
    )  # part → how much of the heat lies on it, 0…1; where a mask is known

    @property
    def yardstick(self) -> bool:
        return self.name not in METHODS


@dataclass(frozen=True)
class Ends:
    """What the model gives the class for the photo, and where the two curves have nothing left of it."""

    photo: float
    blurred: float  # where insertion begins
    black: float  # where deletion ends

    def lost(self, curve: str) -> float:
        """How much of the class's probability is at stake over a curve; below zero: it has more without the photo."""
        return self.photo - {"insertion": self.blurred, "deletion": self.black}[curve]

    def best(self, curve: str) -> float:
        """The area of a map whose first step decides everything: what STEPS can tell at most."""
        first = self.lost(curve) / (2 * STEPS)
        return self.photo - first if curve == "insertion" else self.black + first


@dataclass(frozen=True)
class Verdict:
    word: str  # "better", "partly", "no better", "cannot tell", "nothing to measure", "refused", "yardstick"
    sentence: str


@dataclass(frozen=True)
class Comparison:
    subject: MapUnderTest
    rows: tuple[Row, ...]  # the methods, then the random maps' mean, then the edges
    draws: tuple[Areas, ...]  # each random map's own; empty where nothing could be measured
    ends: Ends | None

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    @property
    def covers(self) -> dict[str, float]:
        """Part → how much of the photo it fills, 0…1; where a mask is known. A share of heat is to be held against it."""
        there = {name: self.subject.part(name) for name in MEASURED_PARTS}
        return {name: float(where.float().mean()) for name, where in there.items() if where is not None}

    def luck(self, curve: str) -> tuple[float, float]:
        """The smallest and the largest area that a random map got."""
        found = [getattr(areas, curve) for areas in self.draws]
        return min(found), max(found)

    @property
    def telling(self) -> tuple[str, ...]:
        """The curves that can tell maps apart: see `mute`."""
        return tuple(curve for curve in CURVES if self.ends and not self.mute(curve))

    def mute(self, curve: str) -> str:
        """Why a curve cannot tell maps apart; "" where it can.

        Over a curve that tells, the class loses at least SPAN of probability, and the best random map leaves room for being MARGIN ahead of it.
        """
        target = self.subject.target.capitalize()
        if self.ends.lost(curve) < SPAN:
            other = {
                "insertion": f"blurred beyond shapes {self.ends.blurred:.2f}",
                "deletion": f"black {self.ends.black:.2f}",
            }[curve]
            return f"{curve} cannot tell (probability of {target}: whole photo {self.ends.photo:.2f}, {other})"
        low, high = self.luck(curve)
        room = self.ends.best(curve) - high if curve == "insertion" else low - self.ends.best(curve)
        if room < MARGIN:
            verb = "brings it back" if curve == "insertion" else "takes it away"
            return f"{curve} cannot tell (almost any tenth of the photo {verb})"
        return ""

    def verdict(self, row: Row) -> Verdict:
        """Whether a map found what the model needs better than chance did, by this rule.

        Only curves that are `telling` are used. A map is ahead on one when its area is better than that of the best of DRAWS random maps by at
        least MARGIN. Ahead on every used curve: "better"; on one of two: "partly"; on none: "no better". No usable curve: "cannot tell".
        It is a verdict on this photo, class and layer only.
        """
        if row.state == "refused":
            return Verdict("refused", f"Not for this network: {row.refusal}.")
        if row.state != "evidence":
            return Verdict("nothing to measure", _nothing(row.state, self.subject))
        if row.name == RANDOM:
            return Verdict("yardstick", f"Knows nothing: {DRAWS} maps of seeded noise, as coarse as the layer's own.")
        if self.ends is None:
            return Verdict("cannot tell", self.subject.unmeasurable)
        used = self.telling
        if not used:
            return Verdict("cannot tell", "Neither curve can tell maps apart here.")
        ahead = [curve for curve in used if self._lead(row, curve) >= MARGIN]
        word = "better" if len(ahead) == len(used) else "partly" if ahead else "no better"
        return Verdict(word, f"{_HEADS[word]} {self._reasons(row, used)}{self._edges(row, used)}")

    def _lead(self, row, curve):
        """How far the map is ahead of the best random one; below zero: behind it."""
        low, high = self.luck(curve)
        area = getattr(row.areas, curve)
        return area - high if curve == "insertion" else low - area

    def _reasons(self, row, used):
        said = []
        for curve in used:
            low, high = self.luck(curve)
            best = high if curve == "insertion" else low
            said.append(f"{curve} {getattr(row.areas, curve):.2f}, best random {best:.2f}")
        return "; ".join(said) + "."

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
}


def compare(subject: MapUnderTest, progress: Progress) -> Comparison:
    """Make and measure every method's map and the yardsticks'."""
    rows, count, blurred = [], len(METHODS) + 1, blur(subject.image)
    for done, name in enumerate(METHODS):
        progress(done / count, task=f"{name}: drawing and measuring its map")
        rows.append(_measured(subject, _drawn(subject, name), blurred)[0])
    progress(len(METHODS) / count, task="measuring maps that know nothing")
    steep = sobel(subject.explained.photo)
    edges, _ = _measured(subject, Row(EDGES, states(steep), heat=steep), blurred)
    random, ends = zip(*(_measured(subject, Row(RANDOM, "evidence", heat=heat), blurred) for heat in noises(subject)))
    areas = tuple(row.areas for row in random if row.areas)
    return Comparison(subject, (*rows, _mean(random), edges), areas, ends[0])


def blur(image: Tensor) -> Tensor:
    """Broad colours only: [3, S, S]."""
    return torch.from_numpy(cv2.GaussianBlur(image.permute(1, 2, 0).numpy(), (0, 0), BLUR)).permute(2, 0, 1)


def noises(subject: MapUnderTest) -> list[Tensor]:
    """DRAWS maps of seeded noise with as many pixels as the layer's own, enlarged like them: each [S, S]."""
    grain = take_apart(subject.network, subject.layer, subject.image, subject.question).activation.shape[-2:]
    seeds = [torch.Generator().manual_seed(seed) for seed in range(DRAWS)]
    drawn = torch.stack([torch.rand(1, *grain, generator=seed) for seed in seeds])  # [DRAWS, 1, h, w]
    return list(F.interpolate(drawn, size=subject.image.shape[-2:], mode="bilinear", align_corners=False)[:, 0])


def sobel(photo: np.ndarray) -> Tensor:
    """How steep the photo's brightness is at each pixel, [S, S]: of the photo alone."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return torch.from_numpy(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)))


def _drawn(subject, name):
    try:
        heat, cost = measure_cost(lambda model: subject.heat(name, model, f"network.{subject.layer}"), subject.network)
    except ValueError as error:
        return Row(name, "refused", refusal=str(error).split(";")[0])
    return Row(name, states(heat), heat=heat, cost=cost)


def _measured(subject, row, blurred):
    """The row with its figures, and the ends of its curves, which are the same for every map."""
    if row.state != "evidence":
        return row, None
    there = {name: subject.part(name) for name in MEASURED_PARTS}
    shares = {name: faithfulness.heat_share(row.heat, where) for name, where in there.items() if where is not None}
    if subject.unmeasurable:
        return replace(row, shares=shares), None
    # Insertion is deletion from the blurred photo, with the photo to fill in: so the blur, as slow as ten passes, is made once for all maps.
    inserted = faithfulness.deletion(subject.probability, blurred, row.heat, STEPS, fill=subject.image)
    deleted = faithfulness.deletion(subject.probability, subject.image, row.heat, STEPS)
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


def _nothing(state, subject):
    if state == "empty":
        return f"No positive evidence for {subject.target} at {subject.column}: there is nothing to measure."
    return f"This map is {state}, so it ranks no pixel before another: there is nothing to measure."
