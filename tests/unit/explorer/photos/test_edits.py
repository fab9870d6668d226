"""Edits change a region and nothing else, and a repainted region keeps its shading."""

import colorsys

import numpy as np
import pytest

from classifiers.photos.decode import read_photo
from explorer.photos import edits, examples
from explorer.photos.masks import part, read_mask

MARGIN = 6  # pixels; the soft edge is narrower


@pytest.fixture
def photo():
    """A grey ramp from left to right: shading without colour."""
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
    original = noise.copy()
    changed = EDITS[edit](noise, square)
    outside = np.ones((64, 64), bool)
    outside[20 - MARGIN : 44 + MARGIN, 20 - MARGIN : 44 + MARGIN] = False
    assert changed.shape == noise.shape and changed.dtype == np.uint8
    assert (changed[outside] == noise[outside]).all() and (noise == original).all()
    assert (changed[square] != noise[square]).any(-1).mean() > 0.9


def test_flat_region_becomes_the_exact_colour(square):
    flat = np.full((64, 64, 3), 220, np.uint8)
    flat[square] = 90  # darker than the rest
    for colour in (*edits.POT_COLOURS.values(), "#000000", "#FFFFFF"):
        middle = edits.repaint(flat, square, colour)[30, 30]
        assert middle.tolist() == pytest.approx([int(colour[i : i + 2], 16) for i in (1, 3, 5)], abs=1)


def test_every_grey_is_reproduced_exactly(square):
    """From sRGB to linear light and back, over both pieces of sRGB's curve: none of its 256 values is lost."""
    flat = np.full((64, 64, 3), 90, np.uint8)
    for grey in range(256):
        assert edits.repaint(flat, square, f"#{grey:02x}{grey:02x}{grey:02x}")[32, 32].tolist() == [grey] * 3


def test_median_pixel_gets_the_colour(square):
    """The median counts pixels, not light: a few far brighter ones do not shift the colour."""
    photo = np.full((64, 64, 3), 90, np.uint8)
    photo[20:44, 38:44] = 255  # a quarter of the region
    assert edits.repaint(photo, square, "#40608a")[32, 28].tolist() == [0x40, 0x60, 0x8A]


def test_luminance_follows_rec_709(square):
    """White stays white; red, green, blue have 0.2126, 0.7152, 0.0722 of its luminance: 127, 220, 76 in sRGB."""
    photo = np.full((64, 64, 3), 255, np.uint8)
    for row, primary in ((24, (255, 0, 0)), (30, (0, 255, 0)), (36, (0, 0, 255))):
        photo[row : row + 4, 22:42] = primary
    painted = edits.repaint(photo, square, "#ffffff")
    assert painted[[21, 26, 32, 38], 32].mean(-1).tolist() == [255, 127, 220, 76]


def test_soft_edge_does_not_overshoot_white(square):
    """Yellow has 4.3 times the luminance of the grey region. Its blue, 0, rises towards 255 and no further.

    At the first pixel outside by a quarter: that much of a Gaussian of 0.8 pixels lies beyond its central pixel.
    """
    photo = np.full((64, 64, 3), (255, 255, 0), np.uint8)
    photo[20:44, 20:44] = 128
    blue = edits.repaint(photo, square, "#ffffff")[32, [17, 19, 44, 47], 2]
    assert blue.tolist() == pytest.approx([0, 64, 64, 0], abs=2)


def test_repainting_keeps_shading(photo, square):
    """Every pixel has the new hue, and luminance ratios stay: half the light before is half the light after."""
    painted = edits.repaint(photo, square, "#402010")
    inside = painted[32, 26:38].astype(float)
    hues = [colorsys.rgb_to_hsv(*pixel / 255)[0] for pixel in inside]
    assert np.ptp(hues) < 0.02
    assert (np.diff(inside[:, 0]) > 0).all()

    def linear(value):  # sRGB's transfer function, by definition
        return value / 255 / 12.92 if value <= 10.31475 else ((value / 255 + 0.055) / 1.055) ** 2.4

    before = linear(float(photo[32, 36, 0])) / linear(float(photo[32, 27, 0]))
    after = linear(painted[32, 36, 0]) / linear(painted[32, 27, 0])
    assert after == pytest.approx(before, rel=0.06)  # two 8-bit values were rounded


def test_black_region_and_whole_photo_stay_finite():
    black, everywhere = np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), bool)
    assert (edits.repaint(black, everywhere, "#a63020") == 0).all()
    assert (edits.fill(np.full((16, 16, 3), 7, np.uint8), everywhere) == 7).all()


def test_blurring_keeps_the_mean_and_removes_shapes():
    board = np.kron(np.indices((16, 16)).sum(0) % 2, np.ones((4, 4)))[..., None].repeat(3, -1).astype(np.uint8) * 200
    region = np.zeros((64, 64), bool)
    region[12:52, 12:52] = True
    inside = edits.blur(board, region)[20:44, 20:44].astype(float)
    assert inside.mean() == pytest.approx(100, abs=2) and inside.std() < 3 and board[20:44, 20:44].std() > 90


@pytest.mark.parametrize("transposed", [False, True], ids=["columns", "rows"])
def test_blur_is_a_gaussian_of_twelve_pixels_in_both_directions(transposed):
    """One standard deviation beyond a step from 0 to 200 the value is 84.1 % of it, one before it 15.9 %."""
    step = np.zeros((160, 160, 3), np.uint8)
    step[:, 80:] = 200  # between columns 79 and 80, at 79.5
    blurred = edits.blur(step.transpose(1, 0, 2) if transposed else step, np.ones((160, 160), bool)).astype(float)
    across = blurred[:, 80] if transposed else blurred[80]
    assert across[91:93, 0].mean() == pytest.approx(200 * 0.8413, abs=1.5)  # 11.5 and 12.5 beyond it
    assert across[67:69, 0].mean() == pytest.approx(200 * 0.1587, abs=1.5)


def test_fill_takes_the_mean_outside_the_region(square):
    photo = np.full((64, 64, 3), (10, 90, 250), np.uint8)
    photo[square] = 0
    assert edits.fill(photo, square)[32, 32].tolist() == [10, 90, 250]
    photo[:32] = np.where(square[:32, :, None], 0, (30, 90, 250))  # outside: half 30, half 10
    assert edits.fill(photo, square)[32, 32].tolist() == [20, 90, 250]


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#+1+1+1", "123456", "", None, 7, "#gg0000"])
def test_invalid_colour_is_refused(colour, photo, square):
    with pytest.raises(ValueError, match="terracotta"):
        edits.repaint(photo, square, colour)


def test_pot_colours_match_the_photos():
    """Each is the median pixel of the pots that index.csv lists with that colour."""
    every = examples.embedded().every.values()
    for name, colour in edits.POT_COLOURS.items():
        pots = [example for example in every if example.pot_colour == name]
        pixels = np.concatenate([read_photo(pot.file).pixels[part(read_mask(pot.mask), "pot")] for pot in pots])
        expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.median(pixels, 0).tolist() == pytest.approx(expected, abs=2), name
