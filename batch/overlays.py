"""Each heatmap as a JPEG, laid over the photo as the classifier takes it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image
from torch import Tensor

from classifiers import Frame
from gradcam import overlay

from .folder import as_sentences
from .rows import Row

FOLDER = "overlays"
PER_FOLDER = 1000  # photos; file systems and people dislike a million files in one


def write_overlay(out: Path, row: Row, frame: Frame, heatmap: Tensor) -> str | None:
    """Write it and return its path below `out`; None for a map that is not finite.

    The name has a hash for target and layer, since a class may be called anything. It is whole or not there.
    Raises Stopped where it cannot be written.
    """
    if row.state == "not finite":
        return None
    which = hashlib.sha256(f"{row.target}\0{row.layer}".encode()).hexdigest()[:8]
    path = Path(FOLDER, f"{row.photo // PER_FOLDER:06d}", f"{row.photo:09d}-{which}.jpg")
    picture = overlay(frame.canvas, frame.place(heatmap))
    partial = out / path.with_suffix(".tmp")
    with as_sentences(out):
        partial.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(partial, "JPEG", quality=90)
        partial.replace(out / path)
    return path.as_posix()
