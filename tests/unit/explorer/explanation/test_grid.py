"""The grid of heatmaps: its order, empty cells, scales, and no forward pass for new colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import potplants
from explorer.explanation.grid import ALL_LAYERS, BASES, coloured, draw, ground_of
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from gradcam import COLORMAPS, SCALES, edge_map

STORY = examples.embedded().story.file


@pytest.fixture(scope="module")
def story():
    return ExplanationService().explain_file(STORY, "embedded", "Grad-CAM")


def test_new_colours_need_no_forward_pass(passes):
    service = ExplanationService()
    for base in BASES:
        for colormap in COLORMAPS:
            for scale in SCALES:
                view = View(base=base, colormap=colormap, scale=scale)
                draw(service.explain_file(STORY, "embedded", "Grad-CAM"), view)
    assert len(passes) == 1


def test_rows_are_targets_and_columns_are_layers(story):
    cells = draw(story, View(base="photo", colormap="viridis", scale="each map"))
    assert [row[0].target for row in cells] == [*potplants.CLASSES, "mixture"]
    assert [cell.layer for cell in cells[0]] == [*story.model.layer_names, ALL_LAYERS]
    assert [cell.column for cell in cells[0]] == ["conv1", "conv2", "conv3", "all layers"]
    for row in cells:
        for cell in row:
            assert cell.picture.shape == (256, 256, 3) and cell.picture.dtype == np.uint8
            assert cell.empty == ("no positive evidence" in cell.caption)


def test_heat_that_is_not_finite_is_refused(story):
    with pytest.raises(ValueError, match="finite"):
        coloured(ground_of(story.frame, View()), torch.full((256, 256), torch.nan), View())


def test_empty_cell_shows_its_base_and_a_caption(story):
    explanation = replace(story.explanation, heatmaps=torch.zeros(1, 5, 3, 256, 256))
    empty = replace(story, explanation=explanation, combined=torch.zeros(5, 256, 256))
    bases = {"edges": edge_map(story.photo), "photo": story.photo, "none": np.full_like(story.photo, 255)}
    for base, background in bases.items():
        for row in draw(empty, View(base=base, scale="shared")):
            for cell in row:
                assert cell.empty and "no positive evidence" in cell.caption and (cell.picture == background).all()
    assert all(cell["empty"] for cell in empty.report()["cells"])


def test_shared_scale_leaves_the_column_of_all_layers_unchanged(story):
    each, shared = (draw(story, View(base="none", colormap="cividis", scale=scale)) for scale in ("each map", "shared"))
    assert (each[1][3].picture == shared[1][3].picture).all()
    assert any((one[2].picture != other[2].picture).any() for one, other in zip(each, shared))


def test_unknown_base_is_refused(story):
    with pytest.raises(ValueError, match="edges"):
        draw(story, View(base="photograph", colormap="jet", scale="shared"))
