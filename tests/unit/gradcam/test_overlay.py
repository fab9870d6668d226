"""Overlay colours match the colour bar, and an empty map is not coloured."""

import numpy as np
import pytest
import torch

from gradcam import COLORMAPS, SCALES, Explainer, colour_table, overlay, shades
from gradcam.overlay import DIVERGING

GREY = np.full((2, 2, 3), 128, np.uint8)


def test_overlay_accepts_any_leading_axes():
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
def test_an_empty_map_leaves_the_base_image(colormap):
    maps = np.stack([np.zeros((2, 2)), np.array([[0.0, 0.0], [0.0, 1.0]])])
    empty, cold = overlay(GREY, maps, colormap)
    assert empty.tolist() == GREY.tolist()
    assert cold[0, 0].tolist() != GREY[0, 0].tolist()  # no evidence *here* is not the same as none at all


def test_a_weak_map_looks_weak_on_the_shared_scale():
    maps = np.stack([np.full((2, 2), 100.0), np.full((2, 2), 1.0)])
    _, each_map = overlay(GREY, maps, "cividis", 1, "each map")
    _, shared = overlay(GREY, maps, "cividis", 1, "shared")
    assert each_map[0, 0].tolist() == colour_table("cividis")[255].tolist()
    assert shared[0, 0].tolist() == colour_table("cividis")[2].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colormap": "rainbow"}, "jet"),
        ({"scale": "log"}, "shared"),
        ({"opacity": 2}, "0 to 1"),
        ({"base": np.zeros((3, 3, 3), np.uint8)}, "base"),
        ({"base": np.zeros((2, 2, 3))}, "uint8"),
        ({"heatmaps": np.array([[np.nan, 0], [0, 0]])}, "finite"),
        ({"heatmaps": np.zeros(3)}, r"expected heatmaps \[\.\.\., H, W\], got \[3\]"),
    ],
)
def test_invalid_arguments_are_rejected(options, message):
    with pytest.raises(ValueError, match=message):
        overlay(**{"base": GREY, "heatmaps": np.ones((2, 2)), **options})


AGAINST, NEUTRAL, FOR = [30, 96, 200], [221, 221, 221], [196, 28, 44]


def test_signed_colours_by_hand():
    """The largest magnitude is 4: −4 is full blue, 1 a quarter of the way to red, and 0 neutral."""
    picture = overlay(GREY, np.array([[-4.0, 1.0], [0.0, 2.0]]), opacity=1)
    assert picture[0, 0].tolist() == AGAINST and picture[1, 0].tolist() == NEUTRAL
    quarter, half = (np.array(NEUTRAL) + (np.array(FOR) - NEUTRAL) * step / 127 for step in (31, 63))  # of 127 steps
    assert np.abs(picture[0, 1] - quarter).max() <= 0.5 and np.abs(picture[1, 1] - half).max() <= 0.5


def test_signed_colours_are_symmetric_and_monotonic():
    values = np.linspace(-1, 1, 201).reshape(3, 67)
    colours = overlay(np.zeros((3, 67, 3), np.uint8), values, opacity=1).reshape(201, 3)
    table = colour_table("blue-red")
    index = [table.tolist().index(colour.tolist()) for colour in colours]
    assert index == sorted(index) and index == [254 - one for one in reversed(index)]  # no wrap-around, and symmetric
    assert index[0] == 0 and index[100] == 127 and index[200] == 254
    assert table[0].tolist() == AGAINST and table[127].tolist() == NEUTRAL and table[254].tolist() == FOR


@pytest.mark.parametrize(
    "maps",
    [
        np.array([[0, 2], [-2, 1]]),
        np.array([[0, 2], [-2, 1]], np.int8),
        np.array([[0, 2**62], [-(2**62), 2**61]]),
        np.array([[0, 1], [-1, 0.5]], np.float16),
        np.array([[0, 3e38], [-3e38, 1.5e38]], np.float32),
        np.array([[0, 1e300], [-1e300, 0.5e300]]),
        np.array([[0, 1e-300], [-1e-300, 0.5e-300]]),
        np.array([[0, 2.0], [-2.0, 1.0]], np.float32) * np.float32(1e-45),
        torch.tensor([[0, 1], [-1, 0.5]], dtype=torch.bfloat16, requires_grad=True),
        torch.tensor([[0, 1e200], [-1e200, 0.5e200]], dtype=torch.float64),
    ],
)
@pytest.mark.parametrize("scale", ["each map", "shared"])
def test_signed_maps_of_any_dtype_and_magnitude(maps, scale):
    picture = overlay(GREY, maps, opacity=1, scale=scale)
    assert picture[0, 0].tolist() == NEUTRAL and picture[0, 1].tolist() == FOR and picture[1, 0].tolist() == AGAINST
    assert picture[1, 1].tolist() == colour_table("blue-red")[127 + 63].tolist()


def test_integers_at_the_end_of_their_range():
    """−128 has no opposite in int8, and is the largest magnitude all the same."""
    picture = overlay(GREY, np.array([[0, 127], [-128, 64]], np.int8), opacity=1)
    assert picture[1, 0].tolist() == AGAINST and picture[0, 0].tolist() == NEUTRAL
    assert picture[0, 1].tolist() == colour_table("blue-red")[127 + 126].tolist()  # 127 · 127/128, rounded down


def test_lists_are_heatmaps_too():
    assert overlay(GREY, [[0, 1], [0, 0]]).tolist() == overlay(GREY, np.array([[0.0, 1.0], [0.0, 0.0]])).tolist()


def test_slightly_negative_and_entirely_negative_maps():
    little = overlay(GREY, np.array([[-1e-9, 1.0], [0.0, 0.0]]), opacity=1)
    assert little[0, 0].tolist() == NEUTRAL and little[0, 1].tolist() == FOR
    only = overlay(GREY, np.array([[-2.0, -1.0], [-2.0, 0.0]]), "viridis", opacity=1)
    assert only[0, 0].tolist() == AGAINST and only[1, 1].tolist() == NEUTRAL
    assert only[0, 1].tolist() == colour_table("blue-red")[127 - 63].tolist()


@pytest.mark.parametrize("colormap", [*COLORMAPS, "blue-red"])
def test_one_negative_map_makes_all_maps_diverging(colormap):
    maps = np.stack([[[0.0, 1.0], [0.0, 0.0]], [[-4.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    each_map, against, empty = overlay(GREY, maps, colormap, opacity=1)
    assert each_map[0, 1].tolist() == FOR and each_map[0, 0].tolist() == NEUTRAL and against[0, 0].tolist() == AGAINST
    assert empty.tolist() == GREY.tolist()
    shared, against, empty = overlay(GREY, maps, colormap, opacity=1, scale="shared")
    assert shared[0, 1].tolist() == colour_table("blue-red")[127 + 31].tolist() and against[0, 0].tolist() == AGAINST
    assert empty.tolist() == GREY.tolist()


def test_diverging_colours_can_be_selected():
    picture = overlay(GREY, np.array([[0.0, 1.0], [0.5, 0.0]]), "blue-red", opacity=1)
    assert picture[0, 0].tolist() == NEUTRAL and picture[0, 1].tolist() == FOR
    assert overlay(GREY, -np.zeros((2, 2)), "blue-red").tolist() == GREY.tolist()


def test_peaks_beyond_single_precision_keep_their_colours():
    for factor in (1e-300, 1e-44, 1e38, 1e300):
        maps = np.array([[0.0, 0.5], [0.25, 1.0]])
        assert overlay(GREY, maps * factor, "viridis").tolist() == overlay(GREY, maps, "viridis").tolist(), factor


@pytest.mark.parametrize(
    "maps", [np.ones((2, 2), complex), np.full((2, 2), "hot"), torch.ones(2, 2, dtype=torch.complex64)]
)
def test_maps_that_are_not_real_numbers_are_rejected(maps):
    with pytest.raises(ValueError, match="real numbers"):
        overlay(GREY, maps)


def test_signed_heatmaps_of_a_network_have_opposite_colours(network, images):
    explanation = Explainer(network, "3").explain(images, [0, ("against", 0)], signed=True)
    base = np.zeros((16, 16, 3), np.uint8)
    one, other = (overlay(base, heat, opacity=1).astype(int) for heat in explanation.heatmaps[0, :, 0])
    table = colour_table("blue-red").astype(int).tolist()
    for colour, opposite in zip(one.reshape(-1, 3).tolist(), other.reshape(-1, 3).tolist()):
        assert table.index(colour) == 254 - table.index(opposite)


def test_the_square_root_of_a_hundredth_is_a_tenth():
    """By hand: of the strongest peak of all maps, 1 is the last of 255 shades, 1/100 the 25th, 1/4 the 127th."""
    maps = np.array([[[0.0, 0.01], [0.25, 1.0]], [[0.0, 0.0], [0.25, 0.04]]]) * 3e-5
    expected = [[[0, 25], [127, 255]], [[0, 0], [127, 51]]]
    drawn = shades(maps, "square root").astype(int)
    assert np.abs(drawn - expected).max() <= 1 and drawn[0, 1, 1] == 255  # a root is rounded towards zero
    pictures = overlay(GREY, maps, "viridis", 1, "square root")
    assert np.array_equal(pictures, colour_table("viridis")[drawn])


def test_the_square_root_keeps_the_sign():
    """A quarter of the peak against is half of the colours away from the neutral middle."""
    picture = overlay(GREY, np.array([[1.0, -0.25], [0.0, 0.0]]), opacity=1, scale="square root")
    table = colour_table(DIVERGING)
    assert picture[0, 0].tolist() == table[254].tolist() and picture[1, 0].tolist() == table[127].tolist()
    assert picture[0, 1].tolist() == table[127 - 63].tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_shades_are_the_colours_that_overlay_chooses(scale):
    maps = torch.rand(3, 2, 2, 2, generator=torch.Generator().manual_seed(0)) + 0.01
    assert np.array_equal(overlay(GREY, maps, "viridis", 1, scale), colour_table("viridis")[shades(maps, scale)])


def test_shades_need_evidence_of_one_sign():
    with pytest.raises(ValueError, match="below: overlay draws it in blue-red"):
        shades(np.array([[-1.0, 1.0]]))
    assert not shades(np.zeros((2, 2))).any()


@pytest.mark.parametrize("opacity", [0.5, 1, 0.3])
def test_every_shade_over_every_grey_is_the_mean_of_both_rounded_to_even(opacity):
    """Of [256, 256]: the shades from left to right over the greys from top to bottom, by the plain formula."""
    ramp = np.arange(256, dtype=np.float32)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 256, 1).repeat(3, 2)
    colours = colour_table("jet").astype(np.float32)  # a row of the picture
    by_hand = np.rint(colours * np.float32(opacity) + greys * np.float32(1 - opacity)).astype(np.uint8)
    assert (overlay(greys, np.tile(ramp, (256, 1)), "jet", opacity) == by_hand).all()


@pytest.mark.parametrize("colormap", COLORMAPS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("opacity", [0.5, 1])
def test_each_pixel_is_its_shades_colour_over_the_base(colormap, scale, opacity):
    rng = np.random.default_rng(0)
    base, heat = rng.integers(0, 256, (24, 40, 3), np.uint8), rng.random((2, 3, 24, 40), np.float32)
    heat[0] *= np.float32([1e-9, 1, 1e30])[:, None, None]
    heat[1, 1] = 0
    table, indices = colour_table(colormap), shades(heat, scale)
    pictures = overlay(base[:, ::-1], heat, colormap, opacity, scale)  # a base in any order of memory
    for place in np.ndindex(2, 3):
        mixed = table[indices[place]] * opacity + base[:, ::-1] * (1 - opacity)
        assert (pictures[place] == (np.rint(mixed) if heat[place].any() else base[:, ::-1])).all()
    assert (
        overlay(base, heat[0, 1].astype(np.float64), colormap, opacity) == overlay(base, heat[0, 1], colormap, opacity)
    ).all()
    assert overlay(base[:0], heat[:, :, :0], colormap, opacity).shape == (2, 3, 0, 40, 3)
