"""The zip: complete, the same numbers as the study, and with what is needed to make it again."""

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


@pytest.fixture(scope="module")
def explained():
    return ExplanationService().explain_file(STORY, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def packed(explained):
    return zipfile.ZipFile(
        io.BytesIO(archive(explained, View(base="photo", colormap="viridis", scale="shared"), "?layer=conv2"))
    )


def test_everything_is_in_it(packed):
    assert set(packed.namelist()) == {"figure.png", "photo.png", "maps.npz", "report.json", "made_with.json"}
    assert packed.testzip() is None


def test_the_maps_and_the_report_are_the_studys(packed, explained):
    with np.load(io.BytesIO(packed.read("maps.npz"))) as found:
        assert np.array_equal(found["heatmaps"], explained.evidence.numpy()) and list(found["targets"]) == list(
            explained.targets
        )
    assert json.loads(packed.read("report.json")) == json.loads(json.dumps(explained.report()))
    assert np.array_equal(np.array(Image.open(io.BytesIO(packed.read("photo.png")))), explained.photo)


def test_it_says_what_made_it(packed):
    made = json.loads(packed.read("made_with.json"))
    weights = potplants.MODELS["embedded"].weights
    assert made["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert made["photo_sha256"] == hashlib.sha256(np.array(Image.open(STORY)).tobytes()).hexdigest()
    assert made["settings"] == {
        "method": "Grad-CAM",
        "base": "photo",
        "colormap": "viridis",
        "scale": "shared",
        "link": "?layer=conv2",
    }
    assert made["versions"]["torch"].startswith("2.13")


def test_the_figure_is_fit_for_print(packed, explained):
    sheet = Image.open(io.BytesIO(packed.read("figure.png")))
    assert sheet.info["dpi"] == pytest.approx((300, 300), abs=0.1) and min(sheet.size) > 2500
    assert np.array_equal(
        np.array(sheet),
        np.array(
            figure(
                explained,
                draw(explained, View(base="photo", colormap="viridis", scale="shared")),
                View(colormap="viridis"),
            )
        ),
    )


def test_the_figure_shows_the_photo_and_every_cell(explained):
    """Each picture is found in the figure, where its row and column say, within what the enlargement rounds."""
    cells = draw(explained, View(base="photo"))
    sheet = np.array(figure(explained, cells, View())).astype(int)
    wanted = [explained.photo, *(cell.picture for row in cells for cell in row)]
    spots = [enlarged.resize((512, 512), Image.Resampling.BICUBIC) for enlarged in map(Image.fromarray, wanted)]
    columns = [24, *[24 * 2 + 512 + 620 + column * 536 for column in range(4)] * 5]
    rows = [152, *[152 + row * 600 for row in range(5) for _ in range(4)]]
    for spot, x, y in zip(spots, columns, rows):
        assert np.array_equal(sheet[y : y + 512, x : x + 512], np.array(spot))


def test_the_same_study_gives_the_same_bytes(explained):
    assert archive(explained, View()) == archive(explained, View())
