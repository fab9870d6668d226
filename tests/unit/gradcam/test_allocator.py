"""Allocator settings: freed memory stays in the process, so that the kernel clears fewer pages for every photo."""

import os
import subprocess
import sys

import pytest
import torch
from live import ROOT

from gradcam.allocator import in_huge_pages

COUNT = """
import resource, sys, torch
from gradcam.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def work():
    for _ in range(20):
        torch.ones(12_000_000).relu()  # 48 MB: above 32 glibc does not adapt by itself
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    process = subprocess.run(
        [sys.executable, "-c", COUNT, how], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return int(process.stdout)


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="not glibc"
)
def test_freed_blocks_are_kept():
    assert faults("kept") < faults("left") / 10


@pytest.mark.parametrize("size", [0, 3, 1 << 19, 3 << 20])
def test_advice_on_pages_changes_no_number(size):
    numbers = torch.arange(size, dtype=torch.float32)
    before = numbers.clone()
    assert in_huge_pages(numbers) is numbers
    assert torch.equal(numbers, before)


def test_without_glibc_there_is_no_advice(monkeypatch):
    monkeypatch.setattr("gradcam.allocator.glibc_function", lambda name: None)
    numbers = torch.ones(3 << 20)
    assert in_huge_pages(numbers) is numbers
