"""docs/batch.md names the columns that are written, each once."""

import re

from live import ROOT

from batch.rows import COLUMNS


def test_the_table_has_every_column():
    text = (ROOT / "docs/batch.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+(?:, \w+)*) \|", text, re.MULTILINE)[1:]
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(COLUMNS)
