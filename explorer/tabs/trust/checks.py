"""All checks of the tab Trust, cached: methods against random maps, the sanity check, costs, training seeds."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from classifiers.photos.decode import pixels_sha256
from explorer.explanation.coalescing import ResultCache
from explorer.explanation.device import ignore_progress, joined
from explorer.explanation.service import ExplanationService, Progress
from gradcam import METHODS, peaks

from .costs import CostRow, cost_rows
from .costs import verdict as cheapest
from .map_under_test import MapUnderTest, map_under_test
from .methods import CURVES, Comparison, Row, compare
from .sanity_check import SanityCheck, run_sanity_check
from .training_seeds import SeedComparison, compare_seeds
from .verdicts import sanity_sentence, verdict

KEPT = 24  # cached results of each kind; the largest, a comparison, holds 3 MB of maps


@dataclass(frozen=True)
class Checks:
    """The checks of the selected method."""

    tested: MapUnderTest
    sanity: SanityCheck
    seeds: SeedComparison

    def noted(self, note: str) -> "Checks":
        return replace(self, tested=self.tested.noted(note))


@dataclass(frozen=True)
class Measured:
    """The checks that compare all methods."""

    comparison: Comparison
    costs: tuple[CostRow, ...]

    @property
    def cheapest(self) -> str:
        return cheapest(self.costs)

    def noted(self, note: str) -> "Measured":
        return replace(self, comparison=replace(self.comparison, tested=self.comparison.tested.noted(note)))


class Trust:
    """Runs the checks and caches the results. Visitors who request the same checks share one computation."""

    def __init__(self, service: ExplanationService, kept: int = KEPT):
        self._service, self._checks, self._measured = service, ResultCache(kept), ResultCache(kept)

    def tested(
        self, file, model: str, target: str, column: str, mask=None, progress: Progress | None = None
    ) -> MapUnderTest:
        """The map that is examined. Raises what `map_under_test` raises."""
        return map_under_test(self._service, file, model, target, column, mask, progress)

    def checks(
        self, file, model: str, method: str, target: str, column: str, mask=None, progress: Progress | None = None
    ) -> Checks:
        """The sanity check and the training seeds.

        Raises what `map_under_test` raises, and ValueError for an unknown method.
        """
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
        tested = self.tested(file, model, target, column, mask, progress)
        work = partial(_check, tested=tested, method=method)
        return self._checks.get((*_key(tested), method), self._on_device(tested, work), progress or ignore_progress)

    def measured(
        self, file, model: str, target: str, column: str, mask=None, progress: Progress | None = None
    ) -> Measured:
        """Every method measured, and the costs. Raises what `map_under_test` raises."""
        tested = self.tested(file, model, target, column, mask, progress)
        work = partial(_measure, tested=tested)
        return self._measured.get(_key(tested), self._on_device(tested, work), progress or ignore_progress)

    def cached_measured(self, tested: MapUnderTest) -> Measured | None:
        """The result of `measured` if it is cached."""
        return self._measured.peek(_key(tested))

    def _on_device(self, tested: MapUnderTest, work: Callable):
        def run(progress):
            result, note = self._service.device.ask(tested.model.name, work, progress)
            return result.noted(note)

        return run


def _check(network, tested, method, progress):
    tested = replace(tested, network=network)
    sanity = run_sanity_check(tested, method, _part_of(progress, 0, 0.5))
    return Checks(tested, sanity, compare_seeds(tested, method, _part_of(progress, 0.5, 1)))


def _measure(network, tested, progress):
    comparison = compare(replace(tested, network=network), _part_of(progress, 0, 0.7))
    return Measured(comparison, cost_rows(comparison, _part_of(progress, 0.7, 1)))


def report(checks: Checks, measured: Measured) -> dict:
    """All figures, ready for JSON; null is what could not be measured."""
    tested, comparison = checks.tested, measured.comparison
    return {
        "model": tested.model.name,
        "weights": tested.model.origin,
        "method": checks.sanity.method,
        "target": tested.target,
        "layer": tested.layer,
        "predicted": tested.explained.predicted,
        "ends": comparison.ends and {**asdict(comparison.ends), "telling": list(comparison.informative)},
        "areas": comparison.part_areas,
        "methods": [_method(comparison, row) for row in comparison.rows],
        "sanity": _sanity(checks.sanity, tested),
        "costs": {"ways": [_cost(row) for row in measured.costs], "verdict": measured.cheapest},
        "seeds": _seeds(checks.seeds),
        "note": joined(tested.explained.note, comparison.tested.explained.note),
    }


def _method(comparison, row: Row):
    said = verdict(comparison, row)
    return {
        "name": row.name,
        "yardstick": row.yardstick,
        **_passes(row.cost),
        **{curve: row.areas and getattr(row.areas, curve) for curve in CURVES},
        "pot_share": row.shares.get("pot"),
        "plant_share": row.shares.get("plant"),
        "peak": None if row.heat is None or row.yardstick else peaks(row.heat).item(),
        "state": row.state,
        "verdict": said.word,
        "sentence": said.sentence,
    }


def _sanity(sanity: SanityCheck, tested: MapUnderTest):
    steps = [
        {
            "randomised": step.randomised or None,
            "rank_correlation": _none_if_nan(step.rank_correlation),
            "similarity": _none_if_nan(step.similarity),
            "state": step.state,
            "draws": [_none_if_nan(value) for value in values],
        }
        for step, values in zip(sanity.steps, sanity.correlations)
    ]
    sentence = sanity_sentence(sanity, tested)
    return {"method": sanity.method, "steps": steps, "verdict": sanity.word, "sentence": sentence}


def _cost(row: CostRow):
    return {
        "name": row.name,
        **_passes(row.cost),
        "state": "missing" if row.missing else row.state,
        "note": row.missing or row.how,
    }


def _seeds(seeds: SeedComparison):
    networks = [
        {
            "seed": network.seed,
            "shipped": network.shipped,
            "predicted": network.predicted,
            "probability": network.probability,
            "peak": None if network.heat is None else peaks(network.heat).item(),
            "state": network.state,
            "accuracy": network.accuracy,
        }
        for network in seeds.networks
    ]
    return {"networks": networks, "rank_correlations": list(seeds.correlations), "verdict": seeds.sentence}


def _passes(cost):
    return {
        "forward_passes": cost and cost.forward,
        "backward_passes": cost and cost.backward,
        "ms": cost and round(cost.ms, 1),
    }


def _none_if_nan(value):
    return None if math.isnan(value) else value


def _key(tested: MapUnderTest):
    explained = tested.explained
    mask = None if tested.parts is None else pixels_sha256(tested.parts)
    return pixels_sha256(explained.photo), mask, explained.note, tested.model.name, tested.target, tested.column


def _part_of(progress: Progress, start: float, end: float) -> Progress:
    """Progress of one part of the work as progress of all of it."""
    return lambda part, task: progress(start + part * (end - start), task=task)
