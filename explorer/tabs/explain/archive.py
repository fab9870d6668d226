"""Saving a study: a figure for print, the raw maps, the report, and what made them, in one zip."""

import hashlib
import io
import json
import platform
import zipfile
from importlib.metadata import version

import numpy as np
from PIL import Image

import potplants
from explorer.explanation.grid import draw
from explorer.explanation.service import Study

from .figure import figure

PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors", "gradio")
DPI = 300
EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first day, for every entry: the same study gives the same bytes


def archive(study: Study, base: str, colormap: str, scale: str, link: str = "") -> bytes:
    """The zip: figure.png, photo.png, maps.npz, report.json, made_with.json. `link` opens the page at this view."""
    cells = draw(study, base, colormap, scale)
    settings = {"base": base, "colormap": colormap, "scale": scale, "link": link}
    held = {
        "figure.png": _png(figure(study, cells, colormap), DPI),
        "photo.png": _png(Image.fromarray(study.photo)),
        "maps.npz": maps(study),
        "report.json": _json(study.report()),
        "made_with.json": _json(made_with(study, settings)),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in held.items():
            file.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def maps(study: Study) -> bytes:
    """The raw evidence as an .npz: heatmaps float32 [K, L, S, S], logits [N], classes, targets, layers."""
    file = io.BytesIO()
    np.savez(
        file,
        heatmaps=study.evidence.numpy().astype(np.float32),
        logits=np.array(study.logits, np.float32),
        classes=np.array(study.model.classes),
        targets=np.array(study.targets),
        layers=np.array(study.model.layers),
    )
    return file.getvalue()


def made_with(study: Study, settings: dict) -> dict:
    """The versions and hashes behind a study: with these, the same numbers come out again."""
    return {
        "model": study.model.name,
        "weights_sha256": potplants.fingerprint(study.model.name),
        "photo_sha256": hashlib.sha256(study.photo.tobytes()).hexdigest(),  # of the pixels, not of a file
        "settings": {"method": study.method, **settings},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _png(picture, dpi=None):
    file = io.BytesIO()
    picture.save(file, "PNG", **({"dpi": (dpi, dpi)} if dpi else {}))
    return file.getvalue()


def _json(content):
    return json.dumps(content, indent=1) + "\n"
