"""The article's edge map: dark lines on white where the photo has edges."""

import numpy as np
import pytest

from gradcam import edge_map


def square():
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:48, 16:48] = 255
    return image


def test_a_square_becomes_its_outline():
    edges = edge_map(square())
    assert edges.shape == (64, 64, 3) and edges.dtype == np.uint8
    assert set(np.unique(edges)) == {0, 255}
    dark = np.argwhere(edges[..., 0] == 0)
    assert dark.min() in range(13, 18) and dark.max() in range(46, 51)  # the outline, within the blur's reach
    assert (edges[24:40, 24:40] == 255).all() and (edges[:8] == 255).all()


def test_float_and_uint8_images_give_the_same_edges():
    assert (edge_map(square()) == edge_map(square() / 255)).all()


def test_a_uniform_image_has_no_edges():
    assert (edge_map(np.full((8, 8, 3), 90, np.uint8)) == 255).all()


def test_an_image_without_colour_axis_is_rejected():
    with pytest.raises(ValueError, match="RGB"):
        edge_map(np.zeros((8, 8)))
