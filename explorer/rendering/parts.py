"""What several tabs show: a refusal, the strip of examples."""

from collections.abc import Iterable

import numpy as np

from .images import thumbnail
from .templates import render


def refusal(sentence: str) -> str:
    """One plain sentence in place of an answer."""
    return render("parts.html", "refusal", sentence)


def strip(origin: str, photos: Iterable[tuple[np.ndarray, str]]) -> str:
    """Photos [H, W, 3] with captions as labelled pictures to press, numbered in the order shown."""
    return render("parts.html", "strip", origin, [(thumbnail(photo), caption) for photo, caption in photos])
