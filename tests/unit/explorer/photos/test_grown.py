"""Regions that grow from clicks: hand-made photos, and how much of a pot one click selects."""

import numpy as np
import pytest
from PIL import Image

from explorer.photos import examples
from explorer.photos.grown import MAX_POINTS, TOLERANCES, Point, grow, read_points
from explorer.photos.masks import part, read_mask


def two_squares():
    """Two red squares on grey, not connected: at rows 20–59, columns 20–59 and 80–119."""
    photo = np.full((80, 140, 3), 128, np.uint8)
    photo[20:60, 20:60] = photo[20:60, 80:120] = (180, 30, 30)
    return photo


def test_what_is_connected_and_alike_is_selected():
    region = grow(two_squares(), (Point(40, 40),))
    expected = np.zeros((80, 140), bool)
    expected[20:60, 20:60] = True
    assert (region != expected).mean() < 0.01 and not region[:, 70:].any()


def test_a_second_point_adds_and_a_minus_takes_away():
    photo = two_squares()
    both = grow(photo, (Point(40, 40), Point(100, 40)))
    assert both[40, 40] and both[40, 100]
    one = grow(photo, (Point(40, 40), Point(100, 40), Point(40, 40, adds=False)))
    assert not one[40, 40] and one[40, 100]
    assert not grow(photo, ()).any()


def test_shade_is_no_edge():
    """A fifth less light on the same paint."""
    photo = two_squares()
    photo[40:60, 20:60] = (163, 27, 27)
    assert grow(photo, (Point(40, 30),))[55, 40]


def test_one_click_in_the_middle_selects_most_of_a_pot():
    """The figure that `grow` states, over every fourth example."""
    overlaps = []
    for example in list(examples.embedded().every.values())[::4]:
        if example.mask is None:
            continue
        pot = part(read_mask(example.mask), "pot")
        rows, columns = np.nonzero(pot)
        point = Point(int(np.median(columns)), int(np.median(rows)))
        region = grow(np.array(Image.open(example.file)), (point,))
        overlaps.append((region & pot).sum() / (region | pot).sum())
    assert len(overlaps) == 60 and abs(np.median(overlaps) - 0.67) < 0.08


def test_points_are_read_in_order():
    assert read_points("120,80 -40,50", 256, 256) == (Point(120, 80), Point(40, 50, adds=False))
    assert read_points("", 9, 9) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b", "such as"),
        ("1,2,3", "such as"),
        (None, "such as"),
        ("9,0", "outside"),
        ("1,1 " * (MAX_POINTS + 1), "most"),
    ],
)
def test_other_texts_are_refused_with_a_sentence(text, word):
    with pytest.raises(ValueError, match=word) as error:
        read_points(text, 9, 9)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("tolerance", [TOLERANCES[0] - 1, TOLERANCES[1] + 1, float("nan"), "20"])
def test_a_tolerance_beyond_its_bounds_is_refused(tolerance):
    with pytest.raises(ValueError, match="from 4 to 60"):
        grow(two_squares(), (Point(1, 1),), tolerance)
