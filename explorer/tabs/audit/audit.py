"""The audit of one classifier: predictions and Grad-CAM maps for labelled photos, and the parts the heat lies on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
from torch import Tensor, nn

from classifiers import Classifier, Frame
from explorer.explanation.device import at_once
from explorer.explanation.targets import many_classes
from explorer.photos.examples import Example
from explorer.photos.masks import PARTS
from gradcam import Cancelled, Explainer

from .photo_reader import Fault, InputPhoto, read_ahead

METHOD = "Grad-CAM"
SHOWN = 4  # photos of a class that each of the two rules selects
SEED = 0
WORST = "the wrong answers with the highest probability, of equals the first by name"
RANDOM = f"drawn from all photos of the class with the seed {SEED}, before any was read; the same for every model"

Progress = Callable[[float], bool | None]  # takes the part done, 0…1; answering False stops the work


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for one photo, and where the heat of its last layer lies."""

    example: Example
    logits: tuple[float, ...]
    predicted: str
    probability: float  # of the predicted class
    peak: float  # the largest value of the heatmap
    area: dict[str, float] | None  # part → its share of the photo; None without a mask that fits
    heat: dict[str, float] | None  # part → its share of the heat; None also for an empty map
    hottest: tuple[str, ...]  # the parts that the hottest pixels lie on

    @property
    def correct(self) -> bool:
        return self.predicted == self.example.really

    @property
    def empty(self) -> bool:
        return not self.peak > 0


@dataclass(frozen=True)
class MeanHeatmap:
    """The mean of raw heatmaps; an empty one counts as zero."""

    heat: np.ndarray  # [h, w]
    photos: int
    empty: int


@dataclass(frozen=True)
class ExplainedExample:
    """A photo and its raw heatmap."""

    frame: Frame
    heat: np.ndarray  # over the network's input, [h, w]


@dataclass(frozen=True)
class Audit:
    model: Classifier
    classes: tuple[str, ...]  # those of the photos, in the model's order
    predictions: tuple[Prediction, ...]
    means: dict[str, MeanHeatmap]  # class → over its photos, each explained for the predicted class
    worst: dict[str, tuple[Prediction, ...]]  # class → by the rule WORST
    random: dict[str, tuple[Prediction, ...]]  # class → by the rule RANDOM
    shown: dict[str, ExplainedExample]  # the photos of `worst` and `random`, by key
    unreadable: tuple[Fault, ...]  # photos
    unusable_masks: tuple[Fault, ...]


def audit(network: nn.Module, model: Classifier, examples: Sequence[Example], progress: Progress) -> Audit:
    """Run a classifier on every photo. Raises Cancelled if `progress` says so, ValueError if no photo can be read."""
    explainer = Explainer(network, model.layers[-1].readable)
    collector, done = _Collector(model, examples), 0
    for batch in read_ahead(examples, model):
        collector.unreadable += batch.unreadable
        collector.unusable_masks += batch.unusable_masks
        if batch.photos:
            explanation = explainer.explain(batch.images(model), method=METHOD, at_once=at_once(network, on_cpu=4))
            for photo, logits, heat in zip(batch.photos, explanation.logits, explanation.heatmaps[:, 0, 0].numpy()):
                collector.add(photo, logits, heat)
        done += batch.size
        raise_if_stopped(progress(done / len(examples)))
    if not collector.predictions:
        reason = collector.unreadable[0].reason
        raise ValueError(f"None of the {len(examples)} photos can be read. The first: {reason}")
    return collector.result()


def classes_of(model: Classifier, examples: Sequence[Example]) -> tuple[str, ...]:
    """The classes that are shown: all of a few; of many, those that a photo is of."""
    if not many_classes(model):
        return model.classes
    present = {example.really for example in examples}
    return tuple(name for name in model.classes if name in present)


def raise_if_stopped(answer: bool | None):
    """Raises Cancelled if a progress callback answered False."""
    if answer is False:
        raise Cancelled("stopped by the caller")


def predict(model: Classifier, photo: InputPhoto, logits: Tensor, heat: np.ndarray) -> Prediction:
    """The prediction for one photo, from logits [N] and the raw heatmap [h, w]."""
    best = int(logits.argmax())
    area, heat_shares, hottest = _measure_parts(photo.parts, heat)
    return Prediction(
        example=photo.example,
        logits=tuple(logits.tolist()),
        predicted=model.classes[best],
        probability=float(logits.double().softmax(0)[best]),
        peak=float(heat.max()),
        area=area,
        heat=heat_shares,
        hottest=hottest,
    )


def _measure_parts(parts, heat):
    """Part → share of the photo; part → share of the heat; the parts that the hottest pixels lie on."""
    if parts is None:
        return None, None, ()
    masks = [(parts == number).view(np.uint8) for number in range(len(PARTS))]
    area = _shares([cv2.countNonZero(mask) for mask in masks])
    peak = heat.max()
    if not peak > 0:
        return area, None, ()
    hottest = tuple(PARTS[part] for part in np.unique(parts[heat == peak]))
    return area, _shares([_heat_on(mask, heat) for mask in masks]), hottest


def _heat_on(mask, heat):
    """All heat on the mask: OpenCV sums in double precision, and in half of numpy's time."""
    return cv2.mean(heat, mask)[0] * cv2.countNonZero(mask)


def _shares(amounts):
    """Part → its share of the total of all parts."""
    return {part: amount / sum(amounts) for part, amount in zip(PARTS, amounts)}


def random_sample(examples: Sequence[Example], class_name: str) -> list[str]:
    """The keys of a class's photos that the rule RANDOM selects."""
    keys = sorted(example.key for example in examples if example.really == class_name)
    return sorted(Random(f"{SEED} {class_name}").sample(keys, min(SHOWN, len(keys))))


def by_confidence(predictions: Sequence[Prediction]) -> list[Prediction]:
    """In the order of the rule WORST."""
    return sorted(predictions, key=lambda prediction: (-prediction.probability, prediction.example.key))


class _Collector:
    """Collects the results photo by photo: numbers, running sums of heatmaps, and the few photos that may be shown."""

    def __init__(self, model: Classifier, examples: Sequence[Example]):
        self._model, self._classes = model, classes_of(model, examples)
        self._random = {name: random_sample(examples, name) for name in self._classes}
        self._random_keys = {key for keys in self._random.values() for key in keys}
        self._worst: dict[str, list[Prediction]] = {name: [] for name in self._classes}
        self._sums = {name: np.zeros(model.preprocessing.size) for name in self._classes}
        self._shown: dict[str, ExplainedExample] = {}
        self.predictions: list[Prediction] = []
        self.unreadable: tuple[Fault, ...] = ()
        self.unusable_masks: tuple[Fault, ...] = ()

    def add(self, photo: InputPhoto, logits: Tensor, heat: np.ndarray):
        prediction = predict(self._model, photo, logits, heat)
        self.predictions.append(prediction)
        key, true_class = prediction.example.key, prediction.example.really
        self._sums[true_class] += heat
        if not prediction.correct:
            self._worst[true_class] = by_confidence([*self._worst[true_class], prediction])[:SHOWN]
        wanted = self._random_keys | {worst.example.key for chosen in self._worst.values() for worst in chosen}
        if key in wanted:
            self._shown[key] = ExplainedExample(photo.frame, heat.copy())
            self._shown = {key: explained for key, explained in self._shown.items() if key in wanted}

    def result(self) -> Audit:
        by_key = {prediction.example.key: prediction for prediction in self.predictions}
        return Audit(
            model=self._model,
            classes=self._classes,
            predictions=tuple(self.predictions),
            means={name: self._mean(name) for name in self._classes},
            worst={name: tuple(predictions) for name, predictions in self._worst.items()},
            random={name: tuple(by_key[key] for key in keys if key in by_key) for name, keys in self._random.items()},
            shown=self._shown,
            unreadable=self.unreadable,
            unusable_masks=self.unusable_masks,
        )

    def _mean(self, name):
        predictions = [prediction for prediction in self.predictions if prediction.example.really == name]
        count, empty = len(predictions), sum(prediction.empty for prediction in predictions)
        return MeanHeatmap(self._sums[name] / max(1, count), count, empty)
