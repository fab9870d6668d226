"""Folders of few photos, and runs of the embedded network over them, in this process."""

import io
import shutil
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live import ROOT

import batch

EXAMPLES = sorted((ROOT / "examples/test").glob("*.jpg"))


@pytest.fixture
def photos(tmp_path):
    """A folder with five held-out photos, a.jpg … e.jpg."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, photo in zip("abcde", EXAMPLES[::25], strict=True):
        shutil.copy(photo, folder / f"{name}.jpg")
    return folder


@pytest.fixture
def run(tmp_path):
    """Run over what is named into tmp_path/out, and give all rows as dicts, in the order of the photos."""

    def over(*named, out=None, pace=None, **options):
        out = out or tmp_path / "out"
        batch.run(named, out, batch.Options(**options), pace or batch.Pace(workers=1), io.StringIO())
        return rows_in(out)

    return over


def rows_in(out):
    """All rows of a run, in the order of the photos."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(out.glob("part-*.parquet"))).to_pylist()


@pytest.fixture
def archive(tmp_path):
    """A function that writes a tar of (name, content) and gives its path."""

    def write(*members, name="photos.tar"):
        with tarfile.open(tmp_path / name, "w") as file:
            for member, content in members:
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))
        return tmp_path / name

    return write
