"""Superpixels: about as many as requested, one colour each, deterministic."""

import numpy as np
import pytest

from explorer.photos.superpixels import superpixels


def test_labels_are_consecutive_and_deterministic():
    photo = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    labels = superpixels(photo, 49)
    assert labels.shape == (96, 128) and set(np.unique(labels)) == set(range(labels.max() + 1))
    assert 35 <= labels.max() + 1 <= 60
    assert (labels == superpixels(photo, 49)).all()


def test_no_patch_crosses_a_strong_edge():
    """Red above a slanted line, blue below."""
    y, x = np.indices((128, 128))
    below = y > 30 + x // 2
    photo = np.where(below[..., None], [20, 20, 200], [200, 20, 20]).astype(np.uint8)
    labels = superpixels(photo, 25)
    mixed = [label for label in range(labels.max() + 1) if len(np.unique(below[labels == label])) > 1]
    assert not mixed


def test_uniform_photo_is_cut_into_a_grid():
    labels = superpixels(np.full((64, 64, 3), 128, np.uint8), 16)
    assert labels.max() + 1 == 16
    y, x = np.indices((64, 64)) // 16
    assert (labels == 4 * y + x).mean() > 0.85  # a pixel between two patches may belong to either


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (256, 256)])
def test_labels_have_the_shape_of_the_photo(shape):
    assert superpixels(np.zeros((*shape, 3), np.uint8), 49).shape == shape
