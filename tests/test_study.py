"""A study is made once and coloured often; its report says what its maps hold."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

import potplants
from explorer import examples, study
from explorer.grid import BASES, draw
from explorer.photo import PhotoError
from explorer.study import ALL_LAYERS, Studies
from gradcam import COLORMAPS, SCALES, Explainer, edge_map

STORY = examples.embedded().story.file


@pytest.fixture
def passes(monkeypatch):
    """Counts forward passes: one a call of explain."""
    counted, explain = [], Explainer.explain
    monkeypatch.setattr(Explainer, "explain", lambda *args, **options: counted.append(1) or explain(*args, **options))
    return counted


def test_another_colouring_needs_no_forward_pass(passes):
    studies = Studies()
    for base in BASES:
        for colormap in COLORMAPS:
            for scale in SCALES:
                draw(studies.of(STORY, "embedded", "Grad-CAM"), base, colormap, scale)
    assert len(passes) == 1


def test_visitors_who_ask_the_same_wait_for_one_answer(passes):
    studies = Studies()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: studies.of(STORY, "embedded", "Grad-CAM"), range(16)))
    assert len(passes) == 1 and all(answer is answers[0] for answer in answers)


def test_old_studies_are_let_go(passes, tmp_path):
    studies = Studies(kept=2)
    for shade in range(4):
        Image.new("RGB", (9, 9), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
        studies.of(tmp_path / f"{shade}.png", "embedded", "Grad-CAM")
    assert len(studies._studies) == 2
    studies.of(tmp_path / "3.png", "embedded", "Grad-CAM")
    assert len(passes) == 4
    studies.of(tmp_path / "0.png", "embedded", "Grad-CAM")
    assert len(passes) == 5


def test_a_failure_is_not_kept(monkeypatch):
    studies, load = Studies(), potplants.load

    def fail(*_):
        raise potplants.HubError(potplants.MODELS["pot_plant_classifier"].weights, "the Hub is asleep", "wake it")

    monkeypatch.setattr(potplants, "load", fail)
    with pytest.raises(potplants.HubError):
        studies.of(STORY, "embedded", "Grad-CAM")
    monkeypatch.setattr(potplants, "load", load)
    assert studies.of(STORY, "embedded", "Grad-CAM").predicted in potplants.CLASSES


def test_wrong_askers_get_a_sentence():
    with pytest.raises(ValueError, match="embedded"):
        Studies().of(STORY, "resnet", "Grad-CAM")
    with pytest.raises(ValueError, match="Grad-CAM"):
        Studies().of(STORY, "embedded", "Magic")
    with pytest.raises(PhotoError):
        Studies().of(None, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def story():
    return Studies().of(STORY, "embedded", "Grad-CAM")


def test_the_report_is_the_explanation_in_numbers(story):
    report = json.loads(json.dumps(story.report()))
    logits = torch.tensor([entry["logit"] for entry in report["classes"]])
    np.testing.assert_allclose([entry["probability"] for entry in report["classes"]], logits.softmax(0), rtol=1e-5)
    assert [(cell["target"], cell["layer"]) for cell in report["cells"]] == [(t, l) for t in story.targets for l in story.model.layers]  # noqa: E741
    for index, cell in enumerate(report["cells"]):
        heat = story.evidence[index // 3, index % 3]
        assert cell["peak"] == heat.max().item() and cell["empty"] == (not heat.any())


def test_the_network_sees_an_example_bit_for_bit(story):
    assert (story.photo == np.array(Image.open(STORY))).all() and story.note == ""


def test_cells_read_as_a_matrix(story):
    cells = draw(story, "photo", "viridis", "each map")
    assert [row[0].target for row in cells] == [*potplants.CLASSES, "mixture"]
    assert [cell.layer for cell in cells[0]] == [*story.model.layers, ALL_LAYERS]
    assert [cell.column for cell in cells[0]] == ["conv1", "conv2", "conv3", "all layers"]
    for row in cells:
        for cell in row:
            assert cell.picture.shape == (256, 256, 3) and cell.picture.dtype == np.uint8
            assert cell.empty == ("no positive evidence" in cell.caption)


def test_an_empty_cell_shows_its_base_and_says_so(story):
    nothing = study.Study(
        story.model, story.method, story.photo, "", replaced(story.explanation, torch.zeros(1, 5, 3, 256, 256)), torch.zeros(5, 256, 256)
    )
    for base, ground in (("edges", edge_map(story.photo)), ("photo", story.photo), ("none", np.full_like(story.photo, 255))):
        for row in draw(nothing, base, "jet", "shared"):
            for cell in row:
                assert cell.empty and "no positive evidence" in cell.caption and (cell.picture == ground).all()
    assert all(cell["empty"] for cell in nothing.report()["cells"])


def replaced(explanation, heatmaps):
    import dataclasses

    return dataclasses.replace(explanation, heatmaps=heatmaps)


def test_the_shared_scale_spares_the_column_of_all_layers(story):
    each, shared = (draw(story, "none", "cividis", scale) for scale in SCALES)
    assert (each[1][3].picture == shared[1][3].picture).all()
    assert any((one[2].picture != other[2].picture).any() for one, other in zip(each, shared))


def test_an_unknown_base_is_refused(story):
    with pytest.raises(ValueError, match="edges"):
        draw(story, "photograph", "jet", "shared")
