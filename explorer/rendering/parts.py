"""What is no one tab's own: a refusal, the strip of examples, the line of who speaks."""

from collections.abc import Iterable

import numpy as np

from .images import thumbnail
from .templates import render


def error_message(sentence: str) -> str:
    """One plain sentence in place of an answer."""
    return render("parts.html", "refusal", sentence)


def strip(origin: str, photos: Iterable[tuple[np.ndarray, str]]) -> str:
    """Photos [H, W, 3] with captions as labelled pictures to press, numbered in the order shown."""
    return render("parts.html", "strip", origin, [(thumbnail(photo), caption) for photo, caption in photos])


def model_line(reason: str, rendered: bool, origin: str) -> str:
    """Which model answers, and why; and where the example photos come from."""
    return render("parts.html", "speaking", reason, rendered, origin)
