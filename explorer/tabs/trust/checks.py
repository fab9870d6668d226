"""Can the picture be believed? Methods against chance, a model that forgets, what a map costs, networks that differ by their seed."""

import math
from dataclasses import asdict, dataclass, replace
from functools import partial

from explorer.explanation.coalescing import ResultCache
from explorer.explanation.device import joined
from explorer.explanation.service import ExplanationService, Progress
from explorer.photos.decode import pixels_sha256
from gradcam import METHODS, peaks

from .costs import CostRow, cost_rows, verdict
from .map_under_test import MapUnderTest, map_under_test
from .methods import CURVES, Comparison, Row, compare
from .sanity_check import Trial, run_sanity_check
from .training_seeds import SeedComparison, compare_seeds

KEPT = 24  # answers of each kind; the largest, a comparison, holds 3 MB of maps


@dataclass(frozen=True)
class Checks:
    """What depends on the method on the desk."""

    subject: MapUnderTest
    trial: Trial
    family: SeedComparison

    def noted(self, note: str) -> "Checks":
        return replace(self, subject=self.subject.noted(note))


@dataclass(frozen=True)
class Measured:
    """What compares the methods."""

    comparison: Comparison
    ways: tuple[CostRow, ...]

    @property
    def cheapest(self) -> str:
        return verdict(self.ways)

    def noted(self, note: str) -> "Measured":
        return replace(self, comparison=replace(self.comparison, subject=self.comparison.subject.noted(note)))


class Trust:
    """Answers, kept by what was asked. Visitors who ask the same thing wait for one answer."""

    def __init__(self, service: ExplanationService, kept: int = KEPT):
        self._service, self._answers = service, {"checks": ResultCache(kept), "measured": ResultCache(kept)}

    def checks(
        self, file, model: str, method: str, target: str, column: str, mask=None, progress: Progress | None = None
    ) -> Checks:
        """The sanity check and the siblings. Raises what `subject` raises, and ValueError for an unknown method."""
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
        asked = map_under_test(self._service, file, model, target, column, mask, progress)
        return self._answers["checks"].get(
            (*_key(asked), method),
            lambda tell: self._ask(asked, partial(_check, asked=asked, method=method), tell),
            progress or _silent,
        )

    def measured_already(self, asked: MapUnderTest) -> Measured | None:
        """What `measured` would give, if it needs no work."""
        return self._answers["measured"].peek(_key(asked))

    def measured(
        self, file, model: str, target: str, column: str, mask=None, progress: Progress | None = None
    ) -> Measured:
        """Every method measured, and the costs. Raises what `subject` raises."""
        asked = map_under_test(self._service, file, model, target, column, mask, progress)

        return self._answers["measured"].get(
            _key(asked), lambda tell: self._ask(asked, partial(_measure, asked=asked), tell), progress or _silent
        )

    def _ask(self, asked, work, tell):
        found, note = self._service.device.ask(asked.model.name, work, tell)
        return found.noted(note)


def _check(network, asked, method, progress):
    asked = replace(asked, network=network)
    return Checks(
        asked,
        run_sanity_check(asked, method, _part(progress, 0, 0.5)),
        compare_seeds(asked, method, _part(progress, 0.5, 1)),
    )


def _measure(network, asked, progress):
    comparison = compare(replace(asked, network=network), _part(progress, 0, 0.7))
    return Measured(comparison, cost_rows(comparison, _part(progress, 0.7, 1)))


def report(checks: Checks, measured: Measured) -> dict:
    """Everything in numbers, ready for JSON; null is what could not be measured."""
    asked, comparison = checks.subject, measured.comparison
    return {
        "model": asked.model.name,
        "weights": asked.model.origin,
        "method": checks.trial.method,
        "target": asked.target,
        "layer": asked.layer,
        "predicted": asked.explained.predicted,
        "ends": comparison.ends and {**asdict(comparison.ends), "telling": list(comparison.telling)},
        "areas": comparison.covers,
        "methods": [_method(comparison, row) for row in comparison.rows],
        "sanity": _sanity(checks.trial),
        "costs": {"ways": [_way(way) for way in measured.ways], "verdict": measured.cheapest},
        "seeds": _seeds(checks.family),
        "note": joined(asked.explained.note, comparison.subject.explained.note),
    }


def _method(comparison, row: Row):
    verdict = comparison.verdict(row)
    return {
        "name": row.name,
        "yardstick": row.yardstick,
        **_passes(row.cost),
        **{curve: row.areas and getattr(row.areas, curve) for curve in CURVES},
        "pot_share": row.shares.get("pot"),
        "plant_share": row.shares.get("plant"),
        "peak": None if row.heat is None or row.yardstick else peaks(row.heat).item(),
        "state": row.state,
        "verdict": verdict.word,
        "sentence": verdict.sentence,
    }


def _sanity(trial: Trial):
    steps = [
        {
            "randomised": step.randomised or None,
            "rank_correlation": _number(step.rank_correlation),
            "similarity": _number(step.similarity),
            "state": step.state,
            "draws": [_number(value) for value in values],
        }
        for step, values in zip(trial.steps, trial.correlations)
    ]
    return {"method": trial.method, "steps": steps, "verdict": trial.word, "sentence": trial.sentence}


def _way(way: CostRow):
    return {
        "name": way.name,
        **_passes(way.cost),
        "state": "missing" if way.missing else way.state,
        "note": way.missing or way.how,
    }


def _seeds(family: SeedComparison):
    members = [
        {
            "seed": member.seed,
            "shipped": member.shipped,
            "predicted": member.says,
            "probability": member.probability,
            "peak": None if member.heat is None else peaks(member.heat).item(),
            "state": member.state,
            "accuracy": member.accuracy,
        }
        for member in family.members
    ]
    return {"networks": members, "rank_correlations": list(family.correlations), "verdict": family.sentence}


def _passes(cost):
    return {
        "forward_passes": cost and cost.forward,
        "backward_passes": cost and cost.backward,
        "ms": cost and round(cost.ms, 1),
    }


def _number(value):
    return None if math.isnan(value) else value


def _key(asked: MapUnderTest):
    mask = None if asked.parts is None else pixels_sha256(asked.parts)
    return (
        pixels_sha256(asked.explained.photo),
        mask,
        asked.explained.note,
        asked.model.name,
        asked.target,
        asked.column,
    )


def _part(tell: Progress, start: float, end: float) -> Progress:
    """Progress over a part of the work, told as progress over all of it."""
    return lambda part, task: tell(start + part * (end - start), task=task)


def _silent(part, task):
    """Nobody wants to know."""
