"""The steps of audits that come with the app, for its own photos and weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifiers import Classifier
from explorer.answers.code import code_digest
from explorer.answers.files import FOLDER, Codec, file_of, read, write
from explorer.photos.examples import Example

from . import photo_reader
from .audit import Audit, ExplainedExample, MeanHeatmap, Prediction
from .causal_test import RepaintedPrediction
from .photo_reader import Fault

CODE = (
    *(f"explorer/tabs/audit/{name}.py" for name in ("audit", "causal_test", "photo_reader")),
    "explorer/photos/edits.py",
)


@dataclass(frozen=True)
class Kept:
    """An Audit without its model and its photos, which are at hand when it is read."""

    classes: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    means: dict[str, MeanHeatmap]
    worst: dict[str, tuple[str, ...]]  # class → keys
    random: dict[str, tuple[str, ...]]
    heat: dict[str, np.ndarray]  # of the photos that are shown, by key
    unreadable: tuple[Fault, ...]
    unusable_masks: tuple[Fault, ...]


TYPES = (Fault, Kept, MeanHeatmap, Prediction, RepaintedPrediction)


def shipped_file(kind: str, key: tuple, folder: Path = FOLDER) -> Path:
    """Where the result of the step of this key is, or would be, for this code."""
    return file_of(kind, (*key, code_digest(*CODE)), folder)


def shipped(file: Path, model: Classifier, photos: Sequence[Example]) -> Any | None:
    """The result of the step that is kept in a file; None where there is none."""
    kept = read(file, _codec(photos))
    return _audit(kept, model, photos) if isinstance(kept, Kept) else kept


def ship(file: Path, model: Classifier, photos: Sequence[Example], result: Any):
    """Keep the result of a step for the next release."""
    about = {"model": model.name, "photos": len(photos)}
    write(file, about, _codec(photos), _kept(result) if isinstance(result, Audit) else result)


def _codec(photos):
    return Codec(TYPES, {Example: ("key", {photo.key: photo for photo in photos})})


def _kept(audit):
    return Kept(
        classes=audit.classes,
        predictions=audit.predictions,
        means=audit.means,
        worst=_keys(audit.worst),
        random=_keys(audit.random),
        heat={key: explained.heat for key, explained in audit.shown.items()},
        unreadable=audit.unreadable,
        unusable_masks=audit.unusable_masks,
    )


def _keys(rule):
    """Class → the keys of a rule's predictions."""
    return {name: tuple(one.example.key for one in predictions) for name, predictions in rule.items()}


def _audit(kept: Kept, model, photos):
    by_key = {prediction.example.key: prediction for prediction in kept.predictions}
    worst, random = (_predictions(rule, by_key) for rule in (kept.worst, kept.random))
    shown_photos = photo_reader.read([photo for photo in photos if photo.key in kept.heat], model).photos
    shown = {photo.example.key: ExplainedExample(photo.frame, kept.heat[photo.example.key]) for photo in shown_photos}
    return Audit(
        model=model,
        classes=kept.classes,
        predictions=kept.predictions,
        means=kept.means,
        worst=worst,
        random=random,
        shown=shown,
        unreadable=kept.unreadable,
        unusable_masks=kept.unusable_masks,
    )


def _predictions(rule, by_key):
    """Class → the predictions of a rule's keys."""
    return {name: tuple(by_key[key] for key in keys) for name, keys in rule.items()}
