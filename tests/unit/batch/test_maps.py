"""A map that is stored small, and enlarged again, is the heatmap; laid over the photo it lies where the input lay."""

import numpy as np
import pytest
import torch

import batch
import classifiers
from batch.maps import packed
from classifiers.photos.decode import read_photo
from gradcam import Explainer


@pytest.mark.parametrize("model", ["embedded", "imagenet"])
def test_every_row_enlarged_is_the_heatmap_of_the_explainer(run, photos, model):
    """Within the rounding to float16, of half its last bit: 2⁻¹² of a value, and here 2⁻¹¹ of the peak."""
    rows = run(photos, model=model, targets="top5", layers="all")
    classifier = classifiers.load(model)
    explainer = Explainer(classifier.network, [layer.readable for layer in classifier.layers])
    assert len(rows) == 5 * min(5, len(classifier.classes)) * len(classifier.layers)
    for name, of_photo in _by_photo(rows).items():
        inputs = classifier.input_of(read_photo(name).pixels)
        targets = [("rank", rank) for rank in range(min(5, len(classifier.classes)))]
        heatmaps = explainer.explain(inputs, targets).heatmaps[0]
        for row, heatmap in zip(of_photo, heatmaps.flatten(0, 1), strict=True):
            size = row["input_h"], row["input_w"]
            enlarged = batch.enlarge(row["heat"], row["grid_h"], row["grid_w"], *size, row["heat_scale"])
            peak = float(heatmap.max())
            assert np.abs(enlarged - heatmap.numpy()).max() <= peak * 2**-11
            assert row["peak"] == pytest.approx(peak, rel=2e-2), "a batch rounds a little differently"


def _by_photo(rows):
    photos = {}
    for row in rows:
        photos.setdefault(row["path"], []).append(row)
    return photos


@pytest.mark.parametrize("magnitude", [1e-38, 1e-12, 1e-4, 1.0, 6e4, 7e4, 1e20, 3e38])
def test_no_magnitude_of_evidence_loses_more_than_half_precision(magnitude):
    grid = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)) * magnitude
    heat, scale = packed(grid)
    again = batch.enlarge(heat, 7, 5, 7, 5, scale)
    assert np.abs(again - grid.numpy()).max() <= float(grid.max()) * 2**-11
    assert scale == 1 or not 1e-4 <= magnitude <= 6e4, "as it is wherever it can be"


def test_a_map_that_is_empty_or_not_finite_is_stored_as_it_is():
    assert batch.enlarge(*_stored(torch.zeros(2, 2))).tolist() == [[0, 0], [0, 0]]
    again = batch.enlarge(*_stored(torch.tensor([[torch.nan, torch.inf], [1.0, 2.0]])))
    assert np.isnan(again[0, 0]) and again[1].tolist() == [1, 2]


def _stored(grid):
    heat, scale = packed(grid)
    return heat, *grid.shape, *grid.shape, scale


def test_bytes_of_another_grid_are_refused():
    with pytest.raises(ValueError, match="7 × 7 numbers of two bytes, got 96 bytes"):
        batch.enlarge(bytes(96), 7, 7)


def test_placing_by_hand():
    """A photo twice as high as wide, its middle square seen; then one with bars: the input is wider than the photo."""
    heatmap = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    placed = batch.place(heatmap, (0, 0.25, 1, 0.75), 4, 2)
    assert placed.tolist() == [[0, 0], [1, 2], [3, 4], [0, 0]]
    barred = np.array([[9.0, 1.0, 2.0, 9.0], [9.0, 3.0, 4.0, 9.0]], np.float32)
    assert batch.place(barred, (-0.5, 0, 1.5, 1), 2, 2).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("model", ["embedded", "imagenet"])
def test_a_place_is_where_the_input_was_cut_from_the_photo(model):
    """A photo whose colours are coordinates goes through the classifier's own preprocessing."""
    from batch.rows import place_of

    height, width = 150, 300
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    photo = np.stack([columns * 255 / width, rows * 255 / height, np.full_like(rows, 7)], -1).astype(np.uint8)
    frame = classifiers.load(model).preprocessing.frame(photo)
    place = place_of(frame)
    seen = frame.canvas[frame.seen.slices][place.inner].astype(float)  # what is photo of the input
    left, top, right, bottom = place.seen
    tall, wide = (side.stop - side.start for side in frame.seen.slices)
    x = left + (np.arange(wide) + 0.5) / wide * (right - left)
    y = top + (np.arange(tall) + 0.5) / tall * (bottom - top)
    assert np.abs(seen[..., 0] / 255 - x[place.inner[1]]).max() < 0.02
    assert np.abs(seen[..., 1] / 255 - y[place.inner[0]][:, None]).max() < 0.02
    assert (seen[..., 2] == 7).mean() > 0.9, "no bars"
