"""Who speaks first: the classifier that is wanted, or the one that knows the photos of the page."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import potplants
from potplants import Choice, HubError
from potplants.catalogue import FALLBACK, PREFERRED

from . import catalogue
from .classifier import Classifier, Progress
from .registry import register_folder
from .wanted import AUTO, folder_of

ENOUGH = 0.6  # of the photos; chance is 0.25, and the article's classifier is right for 0.94 of those it was made for
BATCH = 4  # photos in a forward pass; on two cores 120 take 1.9 s so, 2.8 s by 16, 2.3 s one by one

Labelled = tuple[Path, str]  # a photo's file and its class


def choose(name: str = AUTO, rendered: Sequence[Labelled] = (), progress: Progress | None = None) -> Choice:
    """Load the wanted classifier and say which it is and why: of the catalogue, the Hub, or a folder as ./name.

    "auto" means the article's own, and the embedded one where the Hub cannot be had, or where the article's is right
    for less than ENOUGH of `rendered`: it has seen only real photos. Raises ValueError, in one sentence.
    """
    if name == AUTO:
        return _measured(potplants.choose(name, progress), rendered)
    if name in potplants.MODELS:
        return potplants.choose(name, progress)
    folder = folder_of(name)
    try:
        classifier = register_folder(folder) if folder else catalogue.load(name, progress)
    except HubError as error:
        raise ValueError(str(error)) from error
    return Choice(classifier.name, f"{classifier.name} is speaking, with weights from {classifier.origin}.")


def count_right(classifier: Classifier, photos: Iterable[Labelled]) -> tuple[int, int]:
    """For how many of the photos the classifier's answer is their class, and how many could be read."""
    readable, right, asked = _readable(photos), 0, 0
    while batch := list(islice(readable, BATCH)):
        with torch.inference_mode():
            logits = classifier.network(torch.cat([classifier.input_of(photo) for photo, _ in batch]))  # [B, N]
        named = [classifier.classes[index] for index in logits.argmax(-1).tolist()]
        right += sum(answer == really for answer, (_, really) in zip(named, batch))
        asked += len(batch)
    return right, asked


def _measured(choice: Choice, rendered: Sequence[Labelled]) -> Choice:
    """The choice, or the embedded classifier where the chosen one knows too few of the rendered photos."""
    if choice.name != PREFERRED:
        return choice
    right, asked = count_right(catalogue.find(choice.name), rendered)
    if not asked:
        return choice
    if right >= ENOUGH * asked:
        return Choice(choice.name, f"{choice.reason} Of the rendered photos it names {right} of {asked}.")
    potplants.load(FALLBACK)
    reason = (
        f"{choice.name} knows real photos: of these rendered ones it names {right} of {asked}, so {FALLBACK} speaks "
        "first; choose it beside Model."
    )
    return Choice(FALLBACK, reason)


def _readable(photos: Iterable[Labelled]) -> Iterator[tuple[np.ndarray, str]]:
    for file, really in photos:
        try:
            with Image.open(file) as opened:
                photo = np.array(opened.convert("RGB"))
        except (OSError, ValueError):  # damaged; the page and the audit name it
            continue
        yield photo, really
