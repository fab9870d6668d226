"""docs/batch.md names the columns that are written, each once."""

import re
import shlex

import pytest
from live import ROOT

from batch.__main__ import main
from batch.rows import COLUMNS

TEXT = (ROOT / "docs/batch.md").read_text(encoding="utf-8")


def test_the_table_has_every_column():
    rows = re.findall(r"^\| (\w+(?:, \w+)*) \|", TEXT, re.MULTILINE)[1:]
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(COLUMNS)


def test_the_command_runs(photos, tmp_path):
    """On a few photos in place of the folder, and without the script that installs what is needed first."""
    (command,) = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    script, folder, *arguments = shlex.split(command, comments=True)
    assert (ROOT / script).is_file() and (ROOT / folder).is_dir()
    place = arguments.index("--out") + 1
    arguments[place] = str(tmp_path / "out")
    assert main([str(photos), *arguments]) == 0 and (tmp_path / "out/report.html").exists()


def test_the_exit_codes_are_those_of_the_command(capsys):
    told = re.search(r"Exit codes: ([^.]*)\.", " ".join(TEXT.split()))[1]
    with pytest.raises(SystemExit):
        main(["--help"])
    usage = " ".join(capsys.readouterr().out.split())
    assert all(code in usage for code in re.findall(r"\d+", told)) and len(re.findall(r"\d+", told)) == 5
