"""Edits change a region and nothing else, and a repainted region keeps its light and shade."""

import colorsys

import numpy as np
import pytest

from explorer.photos import edits, examples
from explorer.photos.decode import read_photo
from explorer.photos.masks import part, read_mask

MARGIN = 6  # pixels; beyond them the soft edge is over


@pytest.fixture
def photo():
    """A grey ramp from left to right: shading without a colour."""
    ramp = np.linspace(40, 200, 64).astype(np.uint8)
    return np.broadcast_to(ramp[None, :, None], (64, 64, 3)).copy()


@pytest.fixture
def square():
    region = np.zeros((64, 64), bool)
    region[20:44, 20:44] = True
    return region


EDITS = {
    "repaint": lambda photo, region: edits.repaint(photo, region, "#a63020"),
    "blur": edits.blur,
    "fill": edits.fill,
}


@pytest.mark.parametrize("edit", EDITS)
def test_only_the_region_changes(edit, square):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    kept = noise.copy()
    changed = EDITS[edit](noise, square)
    far = np.ones((64, 64), bool)
    far[20 - MARGIN : 44 + MARGIN, 20 - MARGIN : 44 + MARGIN] = False
    assert changed.shape == noise.shape and changed.dtype == np.uint8
    assert (changed[far] == noise[far]).all() and (noise == kept).all()
    assert (changed[square] != noise[square]).any(-1).mean() > 0.9


def test_a_flat_region_becomes_the_colour_itself(square):
    flat = np.full((64, 64, 3), 220, np.uint8)
    flat[square] = 90  # whatever light the rest has
    for colour in (*edits.POT_COLOURS.values(), "#000000", "#FFFFFF"):
        middle = edits.repaint(flat, square, colour)[30, 30]
        assert middle.tolist() == pytest.approx([int(colour[i : i + 2], 16) for i in (1, 3, 5)], abs=1)


def test_every_grey_comes_back_as_it_was_asked_for(square):
    """From the screen to linear light and back, over both pieces of sRGB's curve: not one of its 256 steps is lost."""
    flat = np.full((64, 64, 3), 90, np.uint8)
    for grey in range(256):
        assert edits.repaint(flat, square, f"#{grey:02x}{grey:02x}{grey:02x}")[32, 32].tolist() == [grey] * 3


def test_half_of_the_regions_pixels_are_darker_than_the_colour(square):
    """The median counts pixels, not light: a few that are far brighter leave the colour where it was."""
    photo = np.full((64, 64, 3), 90, np.uint8)
    photo[20:44, 38:44] = 255  # a quarter of the region
    assert edits.repaint(photo, square, "#40608a")[32, 28].tolist() == [0x40, 0x60, 0x8A]


def test_a_pixel_is_as_bright_as_rec_709_says(square):
    """White stays white; full red, green, blue have 0.2126, 0.7152, 0.0722 of its light: on screen 127, 220, 76."""
    photo = np.full((64, 64, 3), 255, np.uint8)
    for row, full in ((24, (255, 0, 0)), (30, (0, 255, 0)), (36, (0, 0, 255))):
        photo[row : row + 4, 22:42] = full
    painted = edits.repaint(photo, square, "#ffffff")
    assert painted[[21, 26, 32, 38], 32].mean(-1).tolist() == [255, 127, 220, 76]


def test_nothing_is_brighter_than_white_at_the_soft_edge_either(square):
    """Yellow has 4.3 times the light of the grey region. Its blue, 0, goes towards 255 and no further.

    At the first pixel outside a quarter of the way: so much of a bell of 0.8 pixels lies beyond its middle pixel.
    """
    photo = np.full((64, 64, 3), (255, 255, 0), np.uint8)
    photo[20:44, 20:44] = 128
    blue = edits.repaint(photo, square, "#ffffff")[32, [17, 19, 44, 47], 2]
    assert blue.tolist() == pytest.approx([0, 64, 64, 0], abs=2)


def test_repainting_keeps_light_and_shade(photo, square):
    """Every pixel has the new hue, and a brighter one is brighter still; a pixel with half the light has half of it after."""
    painted = edits.repaint(photo, square, "#402010")
    inside = painted[32, 26:38].astype(float)
    hues = [colorsys.rgb_to_hsv(*pixel / 255)[0] for pixel in inside]
    assert np.ptp(hues) < 0.02
    assert (np.diff(inside[:, 0]) > 0).all()

    def light(value):  # sRGB's own curve, by its definition
        return value / 255 / 12.92 if value <= 10.31475 else ((value / 255 + 0.055) / 1.055) ** 2.4

    before = light(float(photo[32, 36, 0])) / light(float(photo[32, 27, 0]))
    after = light(painted[32, 36, 0]) / light(painted[32, 27, 0])
    assert after == pytest.approx(before, rel=0.06)  # two 8-bit values were rounded


def test_a_black_region_and_a_whole_photo_stay_finite():
    black, everywhere = np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), bool)
    assert (edits.repaint(black, everywhere, "#a63020") == 0).all()
    assert (edits.fill(np.full((16, 16, 3), 7, np.uint8), everywhere) == 7).all()


def test_blurring_keeps_the_mean_and_takes_the_shapes():
    board = np.kron(np.indices((16, 16)).sum(0) % 2, np.ones((4, 4)))[..., None].repeat(3, -1).astype(np.uint8) * 200
    region = np.zeros((64, 64), bool)
    region[12:52, 12:52] = True
    inside = edits.blur(board, region)[20:44, 20:44].astype(float)
    assert inside.mean() == pytest.approx(100, abs=2) and inside.std() < 3 and board[20:44, 20:44].std() > 90


@pytest.mark.parametrize("turned", [False, True], ids=["columns", "rows"])
def test_blurring_is_a_bell_of_twelve_pixels_in_both_directions(turned):
    """One standard deviation beyond a step from 0 to 200 there are 84.1 % of it, as far before it 15.9 %."""
    step = np.zeros((160, 160, 3), np.uint8)
    step[:, 80:] = 200  # between columns 79 and 80, at 79.5
    blurred = edits.blur(step.transpose(1, 0, 2) if turned else step, np.ones((160, 160), bool)).astype(float)
    across = blurred[:, 80] if turned else blurred[80]
    assert across[91:93, 0].mean() == pytest.approx(200 * 0.8413, abs=1.5)  # 11.5 and 12.5 beyond it
    assert across[67:69, 0].mean() == pytest.approx(200 * 0.1587, abs=1.5)


def test_filling_takes_the_mean_of_all_that_is_not_the_region(square):
    photo = np.full((64, 64, 3), (10, 90, 250), np.uint8)
    photo[square] = 0
    assert edits.fill(photo, square)[32, 32].tolist() == [10, 90, 250]
    photo[:32] = np.where(square[:32, :, None], 0, (30, 90, 250))  # the rest: half 30, half 10
    assert edits.fill(photo, square)[32, 32].tolist() == [20, 90, 250]


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#+1+1+1", "123456", "", None, 7, "#gg0000"])
def test_a_colour_that_is_none_is_refused(colour, photo, square):
    with pytest.raises(ValueError, match="terracotta"):
        edits.repaint(photo, square, colour)


def test_the_pot_colours_are_those_of_the_photos():
    """Each is the median of the pots' pixels that the table of the examples says are of that colour."""
    every = examples.embedded().every.values()
    for name, colour in edits.POT_COLOURS.items():
        pots = [example for example in every if example.pot_colour == name]
        pixels = np.concatenate([read_photo(pot.file).pixels[part(read_mask(pot.mask), "pot")] for pot in pots])
        expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.median(pixels, 0).tolist() == pytest.approx(expected, abs=2), name
