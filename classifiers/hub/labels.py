"""What a network's outputs mean: labels as people can read them, each once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ..imagenet import classes as imagenet_classes

LONGEST = 100  # characters of a label
_PLACEHOLDER = re.compile(r"LABEL_(\d+)")  # what transformers writes where nobody named the classes
_IMAGENET = 1000


def numbered(count: int) -> tuple[str, ...]:
    """Names for classes that have none."""
    return tuple(f"class {number}" for number in range(count))


def of_transformers(id2label: object, count: int) -> tuple[str, ...]:
    """The labels of a configuration, {number or its digits: label}; numbered where one is missing."""
    if not isinstance(id2label, dict):
        return numbered(count)
    by_number = {str(number): label for number, label in id2label.items()}
    return distinct(readable(by_number.get(str(number)), number) for number in range(count))


def of_timm(config: dict, pretrained: dict, count: int) -> tuple[str, ...]:
    """label_names, a list or {number: name}, in the words of label_descriptions; of 1000 without names ImageNet's."""
    names = config.get("label_names") or pretrained.get("label_names") or pretrained.get("labels")
    words = config.get("label_descriptions") or pretrained.get("label_descriptions")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or len(names) != count:
        return imagenet_classes() if count == _IMAGENET else numbered(count)
    by_number = {str(number): name for number, name in names.items()}
    found = (by_number.get(str(number)) for number in range(count))
    described = (_described(name, words) for name in found)
    return distinct(readable(label, number) for number, label in enumerate(described))


def readable(label: object, number: int) -> str:
    """A label in one line, without characters that nobody sees; "class 7" where there is none."""
    text = str(label) if isinstance(label, (str, int, float)) else ""
    text = "".join(" " if character.isspace() else character for character in text)
    text = "".join(character for character in text if unicodedata.category(character)[0] != "C")
    text = " ".join(text.split())[:LONGEST].strip()
    placeholder = _PLACEHOLDER.fullmatch(text)
    return text if text and not placeholder else f"class {number}"


def distinct(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels with " (2)", " (3)" behind those that came before."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    result = []
    for label in labels:
        name = label
        while name in taken:
            counts[label] = counts.get(label, 1) + 1
            name = f"{label} ({counts[label]})"
        taken.add(name)
        result.append(name)
    return tuple(result)


def _described(name: object, words: object) -> object:
    return words.get(name, name) if isinstance(words, dict) and isinstance(name, str) else name
