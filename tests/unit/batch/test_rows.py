"""The figures of a heatmap, by hand; the columns are plain."""

import pyarrow as pa
import pytest
import torch

from batch.rows import COLUMNS, Place, Row, schema, table_of, with_heat

WHOLE = Place((0, 0, 1, 1), (slice(0, 4), slice(0, 8)))
BARS = Place((-0.5, 0, 1.5, 1), (slice(0, 4), slice(2, 6)))  # the photo lies in the middle four of eight columns


def of(values, place=WHOLE):
    heatmap = torch.zeros(4, 8)
    for (row, column), value in values.items():
        heatmap[row, column] = value
    return with_heat(Row(0, "a.jpg"), heatmap, heatmap, place)


def test_figures_by_hand():
    """Two parts: one of two pixels, one of one; 0.1 is below 15 % of the peak. In all 1.0 + 0.5 + 0.4 + 0.1 = 2."""
    row = of({(1, 2): 1.0, (1, 3): 0.5, (3, 7): 0.4, (0, 0): 0.1})
    assert (row.state, row.peak) == ("evidence", 1)
    assert (row.box_left, row.box_top, row.box_right, row.box_bottom) == (2 / 8, 1 / 4, 4 / 8, 2 / 4)
    assert row.share == pytest.approx(1.5 / 2)
    assert row.centroid_x == pytest.approx((2.5 * 1.0 + 3.5 * 0.5 + 7.5 * 0.4 + 0.5 * 0.1) / 2 / 8)
    assert row.centroid_y == pytest.approx((1.5 * 1.5 + 3.5 * 0.4 + 0.5 * 0.1) / 2 / 4)


def test_heat_on_bars_counts_for_the_peak_and_the_whole_only():
    row = of({(1, 2): 0.5, (2, 7): 1.5}, BARS)
    assert (row.peak, row.share) == (1.5, pytest.approx(0.5 / 2))
    assert (row.box_left, row.box_top, row.box_right, row.box_bottom) == (0, 1 / 4, 1 / 4, 2 / 4)
    assert (row.centroid_x, row.centroid_y) == (pytest.approx(1 / 8), pytest.approx(1.5 / 4))
    only_bars = of({(2, 7): 1.5}, BARS)
    assert (only_bars.peak, only_bars.share, only_bars.box_left) == (1.5, None, None)


def test_a_map_without_evidence_says_so():
    empty = of({})
    assert (empty.state, empty.peak, empty.share, empty.centroid_x, empty.box_left) == ("empty", 0, None, None, None)
    for wrong in (torch.nan, torch.inf):
        row = of({(1, 1): wrong})
        assert (row.state, row.peak, row.share) == ("not finite", None, None) and row.heat
    constant = with_heat(Row(0, ""), torch.ones(4, 8), torch.ones(1, 1), WHOLE)
    assert (constant.state, constant.peak, constant.share, constant.grid_h) == ("constant", 1, 1, 1)


def test_columns_are_plain():
    plain = {pa.int32(), pa.int64(), pa.float32(), pa.string(), pa.binary()}
    assert set(schema().types) == plain and tuple(schema().names) == COLUMNS
    wanted = (
        "path sha256 model revision target layer logit probability peak share centroid_x centroid_y box_left box_top "
    )
    wanted += (
        "box_right box_bottom grid_h grid_w heat state error method versions seen_left seen_top seen_right seen_bottom"
    )
    assert set(wanted.split()) <= set(COLUMNS)


def test_a_name_of_any_characters_goes_into_a_table():
    assert table_of([Row(0, "a\nb\u2603.jpg", error="x")]).to_pylist()[0]["path"] == "a\nb\u2603.jpg"
