"""A run's files as others read them: pandas, Polars and DuckDB find the same rows in plain columns."""

import math

import numpy as np
import pytest

import batch


@pytest.fixture
def out(run, photos, tmp_path):
    """A run of five photos, one of them broken, five classes each, in several files."""
    (photos / "b.jpg").write_bytes(b"broken")
    run(photos, targets="all")
    return tmp_path / "out"


@pytest.fixture
def expected(out):
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa.concat_tables(pq.read_table(path) for path in sorted(out.glob("part-*.parquet"))).to_pylist()


def rows_of_pandas(out):
    import pandas as pd

    frame = pd.concat(pd.read_parquet(path) for path in sorted(out.glob("part-*.parquet")))
    return frame.to_dict("records")


def rows_of_polars(out):
    import polars as pl

    return pl.read_parquet(str(out / "part-*.parquet")).to_dicts()


def rows_of_duckdb(out):
    import duckdb

    answer = duckdb.sql(f"select * from '{out}/part-*.parquet' order by photo, target, layer")
    return [dict(zip(answer.columns, values)) for values in answer.fetchall()]


READERS = {"pandas": rows_of_pandas, "polars": rows_of_polars, "duckdb": rows_of_duckdb}


def plain(value):
    """A value without what readers differ in: NaN and NA for null, numpy's own numbers, lists as arrays."""
    if (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    ):
        return None
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def sortable(row):
    return row["photo"], str(plain(row["target"])), str(plain(row["layer"]))


@pytest.mark.parametrize("reader", READERS)
def test_others_read_the_same_rows(out, expected, reader):
    pytest.importorskip(reader)
    rows = sorted(READERS[reader](out), key=sortable)
    expected = sorted(expected, key=sortable)
    assert len(rows) == len(expected) == 4 * 4 + 1 and list(rows[0]) == list(expected[0])
    for row, wanted in zip(rows, expected):
        for name, value in row.items():
            assert plain(value) == wanted[name], (reader, name)


def enlarged(row):
    sizes = (int(row[name]) for name in ("grid_h", "grid_w", "input_h", "input_w"))  # pandas: 64.0 beside a null
    return batch.enlarge(bytes(row["heat"]), *sizes, heat_scale=row["heat_scale"])


@pytest.mark.parametrize("reader", READERS)
def test_the_heat_that_others_read_is_enlarged_to_the_heatmap(out, expected, reader):
    pytest.importorskip(reader)
    row = next(row for row in sorted(READERS[reader](out), key=sortable) if plain(row["heat"]) is not None)
    wanted = next(one for one in sorted(expected, key=sortable) if one["heat"] is not None)
    heatmap, expected_map = enlarged(row), enlarged(wanted)
    assert heatmap.shape == (256, 256) and (heatmap == expected_map).all() and float(heatmap.max()) > 0
