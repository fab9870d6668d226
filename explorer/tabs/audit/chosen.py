"""The photos behind a number of an audit: those of a split, a class, an answer, or a pot's colour."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from explorer.photos.examples import Example
from explorer.photos.masks import PARTS

from .audit import by_confidence
from .statistics import ANOTHER
from .store import AuditResult

ANY = ""
ANSWERS = ("right", "wrong")


@dataclass(frozen=True)
class Filter:
    """Which photos of an audit; ANY leaves a question open."""

    model: str
    split: str = ANY
    really: str = ANY
    said: str = ANY  # or ANOTHER: none of the photos' classes
    answer: str = ANY  # one of ANSWERS
    hottest: str = ANY  # of PARTS: where the hottest pixel lies
    colour: str = ANY  # of POT_COLOURS: the answers are those to the photos with the pot in it


@dataclass(frozen=True)
class Chosen:
    """A photo, and the answer that is asked about."""

    example: Example
    said: str
    probability: float | None  # None: of a repainted photo it was not kept


def filter_of(values: Mapping[str, Any], result: AuditResult) -> Filter:
    """A filter sent by a page. Raises ValueError for what the audit does not have."""
    given = {field.name: str(values.get(field.name, ANY)) for field in fields(Filter)}
    there = choices(result)
    for name, value in given.items():
        if value not in (there[name] if name == "model" else (ANY, *there[name])):
            raise ValueError(f"This audit has no {name} of that name; choose one of {', '.join(there[name])}.")
    return Filter(**given)


def choices(result: AuditResult) -> dict[str, tuple[str, ...]]:
    """Field of a Filter → the names that there are."""
    classes = result.audits[0].classes
    colours = dict.fromkeys(one.colour for of_model in result.repainted.values() for one in of_model)
    return {
        "model": tuple(audit.model.name for audit in result.audits),
        "split": tuple(result.splits),
        "really": classes,
        "said": classes if classes == result.audits[0].model.classes else (*classes, ANOTHER),
        "answer": ANSWERS,
        "hottest": PARTS,
        "colour": tuple(colours),
    }


def chosen(result: AuditResult, wanted: Filter) -> list[Chosen]:
    """The photos that the filter lets through, the most confident answers first; of repainted ones by name."""
    audit = next(audit for audit in result.audits if audit.model.name == wanted.model)
    predictions = [
        prediction
        for prediction in by_confidence(audit.predictions)
        if _is_of(prediction.example, wanted) and wanted.hottest in (ANY, *prediction.hottest)
    ]
    if wanted.colour == ANY:
        answers = [Chosen(one.example, one.predicted, one.probability) for one in predictions]
    else:
        keys = {prediction.example.key for prediction in predictions}
        repainted = [one for one in result.repainted[wanted.model] if one.colour == wanted.colour]
        answers = [Chosen(one.example, one.predicted, None) for one in repainted if one.example.key in keys]
    return [one for one in answers if _answers(one, wanted, audit.classes)]


def _is_of(example, wanted):
    return wanted.split in (ANY, example.split) and wanted.really in (ANY, example.really)


def _answers(one, wanted, classes):
    said = one.said if one.said in classes else ANOTHER
    right = ANSWERS[0] if one.said == one.example.really else ANSWERS[1]
    return wanted.said in (ANY, said) and wanted.answer in (ANY, right)
