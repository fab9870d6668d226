"""HTML that several tabs or the whole page share: an error message, the examples strip, the model line."""

from collections.abc import Iterable

import numpy as np

from .images import thumbnail
from .templates import render


def error_message(sentence: str) -> str:
    """One sentence in place of a result."""
    return render("parts.html", "refusal", sentence)


def strip(origin: str, photos: Iterable[tuple[np.ndarray, str, str]]) -> str:
    """Photos [H, W, 3] with captions and credits as buttons with thumbnails, numbered in the order shown."""
    buttons = [(thumbnail(photo), caption, credit) for photo, caption, credit in photos]
    return render("parts.html", "strip", origin, buttons)


def model_line(name: str, reason: str, rendered: bool, origin: str) -> str:
    """Which model is used first and why, and where the example photos come from."""
    return render("parts.html", "model_line", name, reason, rendered, origin)
