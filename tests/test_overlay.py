"""Colours mean what the bar says, and a map without evidence has none."""

import numpy as np
import pytest
import torch

from gradcam import COLORMAPS, colour_table, overlay

GREY = np.full((2, 2, 3), 128, np.uint8)


def test_all_maps_at_once():
    assert overlay(GREY, torch.rand(4, 3, 2, 2)).shape == (4, 3, 2, 2, 3)
    assert overlay(GREY, torch.rand(2, 2)).dtype == np.uint8


def test_zero_is_the_coldest_colour_and_the_peak_the_hottest():
    picture = overlay(GREY, np.array([[0.0, 0.5], [0.25, 1.0]]) * 1e-6, "viridis", opacity=1)
    table = colour_table("viridis")
    assert picture[0, 0].tolist() == table[0].tolist()
    assert picture[1, 1].tolist() == table[255].tolist()
    assert picture[0, 1].tolist() == table[127].tolist()


def test_opacity_mixes_base_and_colour():
    picture = overlay(GREY, np.array([[0.0, 1.0], [1.0, 1.0]]), "jet", opacity=0.25)
    expected = 0.75 * 128 + 0.25 * colour_table("jet")[255].astype(float)
    assert np.abs(picture[0, 1] - expected).max() <= 0.5
    assert overlay(GREY, np.ones((2, 2)), opacity=0).tolist() == GREY.tolist()


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_an_empty_map_leaves_its_base_plain(colormap):
    maps = np.stack([np.zeros((2, 2)), np.array([[0.0, 0.0], [0.0, 1.0]])])
    empty, cold = overlay(GREY, maps, colormap)
    assert empty.tolist() == GREY.tolist()
    assert cold[0, 0].tolist() != GREY[0, 0].tolist()  # no evidence *here* is not the same as none at all


def test_a_weak_map_looks_weak_on_the_shared_scale():
    maps = np.stack([np.full((2, 2), 100.0), np.full((2, 2), 1.0)])
    _, alone = overlay(GREY, maps, "cividis", 1, "each map")
    _, shared = overlay(GREY, maps, "cividis", 1, "shared")
    assert alone[0, 0].tolist() == colour_table("cividis")[255].tolist()
    assert shared[0, 0].tolist() == colour_table("cividis")[2].tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colormap": "rainbow"}, "jet"),
        ({"scale": "log"}, "shared"),
        ({"opacity": 2}, "0 to 1"),
        ({"base": np.zeros((3, 3, 3), np.uint8)}, "base"),
        ({"base": np.zeros((2, 2, 3))}, "uint8"),
        ({"heatmaps": np.array([[np.nan, 0], [0, 0]])}, "finite"),
        ({"heatmaps": np.zeros(3)}, "heatmaps"),
    ],
)
def test_wrong_arguments(options, words):
    with pytest.raises(ValueError, match=words):
        overlay(**{"base": GREY, "heatmaps": np.ones((2, 2)), **options})
