"""Kept memory is given back: also what lies between blocks that stay, now and then while the app runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live import ROOT

from explorer.server import allocator
from explorer.server.allocator import Trimmer, resident_bytes

KEPT = """
import numpy
from explorer.server.allocator import trim_memory
from gradcam.allocator import keep_freed_memory
def size():
    return int(open("/proc/self/statm").read().split()[1])
keep_freed_memory()
blocks = [numpy.ones(1_000_000) for _ in range(40)]
kept = blocks[::10]
before = size()
del blocks
between = size()
assert trim_memory()
print(before, between, size())
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="not glibc"
)
def test_trim_memory_returns_free_pages():
    """Also between blocks that stay: 36 of 40 were let go of, and only then do their pages leave the process."""
    process = subprocess.run([sys.executable, "-c", KEPT], cwd=ROOT, capture_output=True, text=True, check=True)
    before, between, after = map(int, process.stdout.split())
    assert between > 0.9 * before and after < 0.5 * before


def test_memory_is_trimmed_where_it_has_grown_and_once_a_minute(monkeypatch):
    resident, now, trims = [500 * 10**6], [0.0], []
    monkeypatch.setattr(allocator, "resident_bytes", lambda: resident[0])
    monkeypatch.setattr(allocator.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(allocator, "trim_memory", lambda: trims.append(resident.pop()) or resident.append(400 * 10**6))
    trimmer = Trimmer()
    resident[0], now[0] = 700 * 10**6, 59
    assert not trimmer.is_due()  # what two answers leave
    resident[0] = 751 * 10**6
    assert trimmer.is_due()
    trimmer.trim()
    resident[0], now[0] = 649 * 10**6, 118  # measured from what was left
    assert not trimmer.is_due()
    now[0] = 119
    assert trimmer.is_due() and trims == [751 * 10**6]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_resident_bytes_are_those_of_this_process():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = int(status.split("VmRSS:")[1].split()[0])
    assert resident_bytes() == pytest.approx(1024 * kilobytes, rel=0.1)
