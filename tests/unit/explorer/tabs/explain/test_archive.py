"""The zip: complete, with the numbers of the explained photo, and with all that reproduces them."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import potplants
from explorer.explanation.grid import draw
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.explain.archive import archive
from explorer.tabs.explain.figure import figure

STORY = examples.embedded().story.file
VIEW = View(base="photo", colormap="viridis", scale="shared")


@pytest.fixture(scope="module")
def explained():
    return ExplanationService().explain_file(STORY, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def packed(explained):
    return zipfile.ZipFile(io.BytesIO(archive(explained, VIEW, "?layer=conv2")))


def test_archive_is_complete(packed):
    assert set(packed.namelist()) == {"figure.png", "photo.png", "maps.npz", "report.json", "made_with.json"}
    assert packed.testzip() is None


def test_maps_report_and_photo_are_those_of_the_explained_photo(packed, explained):
    with np.load(io.BytesIO(packed.read("maps.npz"))) as maps:
        assert np.array_equal(maps["heatmaps"], explained.evidence.numpy())
        assert list(maps["targets"]) == list(explained.targets)
    assert json.loads(packed.read("report.json")) == json.loads(json.dumps(explained.report()))
    assert np.array_equal(np.array(Image.open(io.BytesIO(packed.read("photo.png")))), explained.photo)


def test_provenance_has_weights_photo_settings_and_versions(packed):
    provenance = json.loads(packed.read("made_with.json"))
    weights = potplants.MODELS["embedded"].weights
    assert provenance["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert provenance["photo_sha256"] == hashlib.sha256(np.array(Image.open(STORY)).tobytes()).hexdigest()
    assert provenance["settings"] == {
        "method": "Grad-CAM",
        "base": "photo",
        "colormap": "viridis",
        "scale": "shared",
        "link": "?layer=conv2",
    }
    assert provenance["versions"]["torch"].startswith("2.13")


def test_figure_has_print_resolution(packed, explained):
    sheet = Image.open(io.BytesIO(packed.read("figure.png")))
    assert sheet.info["dpi"] == pytest.approx((300, 300), abs=0.1) and min(sheet.size) > 2500
    expected = figure(explained, draw(explained, VIEW), VIEW)
    assert np.array_equal(np.array(sheet), np.array(expected))


def test_figure_has_the_photo_and_every_cell_in_place(explained):
    """Each enlarged picture is at its row and column, pixel by pixel."""
    cells = draw(explained, View(base="photo"))
    sheet = np.array(figure(explained, cells, View())).astype(int)
    pictures = [explained.photo, *(cell.picture for row in cells for cell in row)]
    enlarged = [picture.resize((512, 512), Image.Resampling.BICUBIC) for picture in map(Image.fromarray, pictures)]
    columns = [24, *[24 * 2 + 512 + 620 + column * 536 for column in range(4)] * 5]
    rows = [152, *[152 + row * 600 for row in range(5) for _ in range(4)]]
    for picture, x, y in zip(enlarged, columns, rows):
        assert np.array_equal(sheet[y : y + 512, x : x + 512], np.array(picture))


def test_archive_is_deterministic(explained):
    assert archive(explained, View()) == archive(explained, View())
