"""The zip: complete, with the numbers of the explained photo, and with all that reproduces them."""

import base64
import hashlib
import io
import json
import zipfile
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

import potplants
from explorer.explanation.grid import draw
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.rendering.drawing import as_image
from explorer.settings import View
from explorer.tabs.explain.archive import archive
from explorer.tabs.explain.figure import as_svg, layout

STORY = examples.embedded().story.file
VIEW = View(base="photo", colormap="viridis", scale="shared")


@pytest.fixture(scope="module")
def explained():
    return ExplanationService().explain_file(STORY, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def packed(explained):
    return zipfile.ZipFile(io.BytesIO(archive(explained, VIEW, "?layer=conv2")))


def test_archive_is_complete(packed):
    assert set(packed.namelist()) == {
        *("figure.png", "figure.pdf", "figure.svg"),
        *("photo.png", "maps.npz", "report.json", "made_with.json"),
    }
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
        "outline": "none",
        "link": "?layer=conv2",
    }
    assert provenance["versions"]["torch"].startswith("2.13")


def test_figure_has_print_resolution(packed, explained):
    sheet = Image.open(io.BytesIO(packed.read("figure.png")))
    assert sheet.info["dpi"] == pytest.approx((300, 300), abs=0.1) and min(sheet.size) > 2500
    expected = as_image(layout(explained, draw(explained, VIEW), VIEW))
    assert np.array_equal(np.array(sheet), np.array(expected))


def test_figure_has_the_photo_and_every_cell_in_place(explained):
    """Each enlarged picture is at its row and column, pixel by pixel."""
    cells = draw(explained, View(base="photo"))
    sheet = np.array(as_image(layout(explained, cells, View()))).astype(int)
    pictures = [explained.photo, *(cell.picture for row in cells for cell in row)]
    enlarged = [picture.resize((512, 512), Image.Resampling.BICUBIC) for picture in map(Image.fromarray, pictures)]
    columns = [24, *[24 * 2 + 512 + 620 + column * 536 for column in range(4)] * 5]
    rows = [152, *[152 + row * 600 for row in range(5) for _ in range(4)]]
    for picture, x, y in zip(enlarged, columns, rows):
        assert np.array_equal(sheet[y : y + 512, x : x + 512], np.array(picture))


def test_archive_is_deterministic(explained):
    assert archive(explained, View()) == archive(explained, View())


def test_the_figure_is_there_as_pdf_and_svg(packed, explained):
    """The same words on both; of the SVG, each picture's pixels are the cell's own."""
    assert packed.read("figure.pdf").startswith(b"%PDF-")
    root = ET.fromstring(packed.read("figure.svg"))
    space = "{http://www.w3.org/2000/svg}"
    cells = draw(explained, VIEW)
    words = {text.text for text in root.iter(f"{space}text")}
    assert {cell.measured for row in cells for cell in row} | {"Rudo", "conv1", "all layers"} <= words
    pictures = [_pixels(image.get("href")) for image in root.iter(f"{space}image")]
    assert np.array_equal(pictures[0], explained.photo)
    expected = [cell.picture for row in cells for cell in row]
    assert all(map(np.array_equal, pictures[2:], expected)) and len(pictures) == len(expected) + 2


def test_the_figure_says_the_truth_and_the_probability_where_they_are_known(explained):
    def words(truth):
        return [text.words for text in layout(explained, draw(explained, View()), View(), truth).texts]

    assert "really Rudo" in words("rudo") and not any("really" in text for text in words(None))
    assert any(text.startswith("The model says Baya, over 99.9") for text in words(None))


def test_words_of_a_class_are_no_markup(explained):
    sheet = layout(explained, draw(explained, View()), View(), "<script>")
    assert "<script>" not in as_svg(sheet) and "&lt;script&gt;" in as_svg(sheet)


def test_by_cam_figure_and_maps_have_the_one_layer_there_is():
    explained = ExplanationService().explain_file(STORY, "embedded_gap", "CAM")
    packed = zipfile.ZipFile(io.BytesIO(archive(explained, VIEW)))
    with np.load(io.BytesIO(packed.read("maps.npz"))) as maps:
        assert maps["heatmaps"].shape[:2] == (5, 1) and list(maps["layers"]) == ["conv_layers.5"]
    sheet = layout(explained, draw(explained, VIEW), VIEW)
    assert len(sheet.pictures) == 2 + 5 and sheet.width == 512 + 2 * 24 + 620 + 536 + 24
    assert {"conv3"} == {text.words for text in sheet.texts} & {"conv1", "conv2", "conv3", "all layers"}
    assert "CAM reads only conv3" in json.loads(packed.read("report.json"))["note"]


def _pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
