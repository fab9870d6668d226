"""Colours in words and by hue: known colours, scikit-image's L*a*b*, and a circle of one lightness."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from explorer.photos.colours import HUES, STEP, hues, lab, name_of, polar
from explorer.photos.edits import POT_COLOURS, rgb


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#a52e19", "#1b4586", "#7a3fb0", "#00ff88", "#010203"])
def test_lab_equals_scikit_images(colour):
    np.testing.assert_allclose(lab(colour), rgb2lab(rgb(colour)), atol=0.02)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ("#7a3fb0", "purple"),
        ("#a52e19", "red"),
        ("#1b4586", "dark blue"),
        ("#9e5125", "terracotta"),
        ("#00ff88", "spring green"),
        ("#fefefe", "white"),
    ],
)
def test_a_colour_has_the_name_of_the_nearest(colour, name):
    assert name_of(colour) == name


def test_hues_go_round_at_the_red_pots_lightness():
    pattern = polar(POT_COLOURS["red"])
    around = [polar(colour) for colour in hues()]
    assert len(around) == HUES
    for step, (lightness, chroma, hue) in enumerate(around):
        off = (hue - STEP * step + 180) % 360 - 180
        assert abs(lightness - pattern.lightness) < 0.5 and chroma < pattern.chroma + 0.5 and abs(off) < 2
    nearest = min(around, key=lambda one: abs((one.hue - pattern.hue + 180) % 360 - 180))
    assert nearest.chroma == pytest.approx(pattern.chroma, abs=1)  # a screen has the pot's own red


@pytest.mark.parametrize("wrong", ["red", "#12345", None, "#gggggg"])
def test_another_text_is_refused(wrong):
    with pytest.raises(ValueError, match="There is no such colour"):
        name_of(wrong)
