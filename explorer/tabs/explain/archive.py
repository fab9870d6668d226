"""An explained photo as one zip: a figure for print, the raw maps, the report, and their provenance."""

import io
import json
import platform
import time
import zipfile
from importlib.metadata import version

import numpy as np
from PIL import Image

import classifiers
from classifiers.photos.decode import pixels_sha256
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import draw
from explorer.rendering.drawing import as_image
from explorer.settings import View

from .figure import as_svg, layout

PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors", "gradio")
DPI = 300
EPOCH_IN_PDF = time.struct_time((1980, 1, 1, 0, 0, 0, 1, 1, 0))
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest in a zip, for every entry: the same input gives the same bytes


def archive(explained: ExplainedPhoto, view: View, link: str = "", truth: str | None = None) -> bytes:
    """The zip: the figure as PNG, PDF and SVG, photo.png, maps.npz, report.json, made_with.json.

    link: opens the page at this view. truth: the class of the photo, where it is known.
    """
    sheet = layout(explained, draw(explained, view), view, truth)
    image = as_image(sheet)
    appearance = {name: getattr(view, name) for name in ("base", "colormap", "scale", "outline")}
    files = {
        "figure.png": _png(image, DPI),
        "figure.pdf": _pdf(image),
        "figure.svg": as_svg(sheet),
        "photo.png": _png(Image.fromarray(explained.photo)),
        "maps.npz": maps(explained),
        "report.json": _json(explained.report()),
        "made_with.json": _json(made_with(explained, {**appearance, "link": link})),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def maps(explained: ExplainedPhoto) -> bytes:
    """The raw evidence as an .npz: heatmaps float32 [K, L, H, W], logits [N], classes, targets, layers.

    Heatmaps lie over the whole photo as it was laid out for the network, whose input is its part `seen`: left, top,
    right, bottom.
    """
    file = io.BytesIO()
    np.savez(
        file,
        heatmaps=explained.frame.place(explained.evidence).numpy().astype(np.float32),
        logits=np.array(explained.logits, np.float32),
        classes=np.array(explained.model.classes),
        targets=np.array(explained.targets),
        layers=np.array([layer.name for layer in explained.layers]),
        seen=np.array(explained.frame.seen),
    )
    return file.getvalue()


def made_with(explained: ExplainedPhoto, settings: dict) -> dict:
    """The versions, hashes and settings that reproduce the numbers."""
    return {
        "model": explained.model.name,
        "revision": explained.model.revision,
        "weights_sha256": classifiers.fingerprint(explained.model.name),
        "photo_sha256": pixels_sha256(explained.photo),  # of the pixels, not of a file
        "settings": {"method": explained.method, **settings},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _png(picture, dpi=None):
    file = io.BytesIO()
    picture.save(file, "PNG", **({"dpi": (dpi, dpi)} if dpi else {}))
    return file.getvalue()


def _pdf(picture):
    file = io.BytesIO()
    dates = {"creationDate": EPOCH_IN_PDF, "modDate": EPOCH_IN_PDF}
    picture.save(file, "PDF", resolution=DPI, quality=92, **dates)
    return file.getvalue()


def _json(content):
    return json.dumps(content, indent=1) + "\n"
