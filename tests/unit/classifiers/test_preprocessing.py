"""Preprocessing: where a network's input lies in a photo, and what it holds."""

import numpy as np
import pytest
import torch
from photo_files import check_sentence
from PIL import Image

from classifiers.preprocessing import BAR_GREY, Preprocessing

RED = (255, 0, 0)


def letterboxed(pixels, side):
    return Preprocessing(side, side).frame(pixels)


def test_fitting_square_is_unchanged():
    pixels = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    square = letterboxed(pixels, 256)
    assert np.array_equal(square.canvas, pixels) and square.photo == (0, 0, 256, 256) and square.note == ""


@pytest.mark.parametrize(("width", "height", "side", "box", "where"), [
    (4000, 300, 256, (0, 118, 256, 137), "above and below"),  # 256 × 300 / 4000 = 19.2 rows; 118 above
    (300, 4000, 256, (118, 0, 137, 256), "left and right"),
    (5000, 1, 256, (0, 127, 256, 128), "above and below"),
    (30, 60, 224, (56, 0, 168, 224), "left and right"),  # enlarged
    (256, 192, 256, (0, 32, 256, 224), "above and below"),
])  # fmt: skip
def test_letterbox_geometry(width, height, side, box, where):
    square = letterboxed(np.full((height, width, 3), RED, np.uint8), side)
    left, top, right, bottom = square.photo
    assert square.photo == box and square.canvas.shape == (side, side, 3)
    assert np.array_equal(square.canvas[top:bottom, left:right], np.full((bottom - top, right - left, 3), RED))
    bars = np.ones((side, side), bool)
    bars[top:bottom, left:right] = False
    assert (square.canvas[bars] == BAR_GREY).all() and where in square.note
    check_sentence(square.note)


def test_photo_with_fitting_long_side_is_not_resampled():
    pixels = np.random.default_rng(2).integers(0, 256, (100, 256, 3), np.uint8)
    assert np.array_equal(letterboxed(pixels, 256).canvas[78:178], pixels)


def test_shrinking_averages_fine_detail():
    board = (np.indices((1024, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    inner = letterboxed(board, 256).canvas[4:-4, 4:-4]
    assert np.abs(inner.astype(int) - 127).max() <= 2  # picking pixels would give 0 or 255


@pytest.mark.parametrize("pixel", [(0, 0, 0), (12, 200, 99)])
def test_one_pixel_fills_the_square_with_its_colour(pixel):
    square = letterboxed(np.array([[pixel]], np.uint8), 256)
    assert np.array_equal(square.canvas, np.full((256, 256, 3), pixel)) and square.note == ""


def test_a_crop_is_the_middle_of_the_resized_photo():
    """600 × 400: the shorter side to 256 gives 384 × 256; 224 of them from column 80, row 16. Pillow is the oracle."""
    photo = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    crop = Preprocessing(224, 224, "crop", 256, "bicubic")
    frame = crop.frame(photo)
    resized = Image.fromarray(photo).resize((384, 256), Image.Resampling.BICUBIC)
    assert np.array_equal(frame.canvas, np.asarray(resized)) and frame.seen == (80, 16, 304, 240)
    expected = np.asarray(resized.crop((80, 16, 304, 240)))
    values = crop.tensor(frame.canvas, frame.seen)
    assert np.array_equal((values[0].permute(1, 2, 0) * 255).round().byte().numpy(), expected)
    check_sentence(frame.note)


def test_a_map_is_placed_where_the_network_looked():
    frame = Preprocessing(2, 2, "crop", 4).frame(np.zeros((4, 6, 3), np.uint8))
    placed = frame.place(torch.tensor([[1.0, 2], [3, 4]]))
    assert placed.shape == (4, 6) and placed[1:3, 2:4].tolist() == [[1, 2], [3, 4]] and placed.sum() == 10


def test_a_squashed_photo_keeps_its_aspect_for_people():
    frame = Preprocessing(8, 8, "squash").frame(np.zeros((10, 30, 3), np.uint8))
    assert frame.canvas.shape == (8, 8, 3) and frame.aspect == 3 and "squashed" in frame.note and frame.whole


def test_normalisation_and_order_of_colours():
    """By hand: 0, 102 and 255 of 255 are 0, 0.4 and 1; less 0.5, over 0.25: -2, -0.4 and 2. Blue first: reversed."""
    photo = np.array([[[0, 102, 255]]], np.uint8)
    for bgr, expected in ((False, [-2, -0.4, 2]), (True, [2, -0.4, -2])):
        step = Preprocessing(1, 1, mean=(0.5,) * 3, std=(0.25,) * 3, bgr=bgr)
        frame = step.frame(photo)
        assert step.tensor(frame.canvas, frame.seen).flatten().tolist() == pytest.approx(expected)
