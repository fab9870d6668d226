"""The tests of timm's repositories, in a process that has timm: `scripts/test` puts it into a folder of its own."""

import os
import subprocess
import sys

import pytest
from live import ROOT


def test_repositories_of_timm():
    folders = sorted((ROOT / ".venv").glob("timm-*"))
    if not folders:
        pytest.skip("timm is not there: scripts/test installs it")
    program = [sys.executable, "tests/support/with_timm.py", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*program, "tests/unit/classifiers/test_hub_timm.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folders[-1])},
        capture_output=True,
        text=True,
        check=False,
    )
    summary = done.stdout.splitlines()[-1]
    assert done.returncode == 0 and "passed" in summary and "skipped" not in summary, done.stdout
