"""A cached tensor's memory goes back to the system when the tensor is freed."""

import os
import subprocess
import sys

import pytest
from live import ROOT

PROGRAM = """
import torch
from explorer.explanation.own_memory import in_own_memory
from gradcam.allocator import keep_freed_memory
def size():
    return int(open("/proc/self/statm").read().split()[1])
keep_freed_memory()
before, block = size(), torch.rand(1_000_000)
blocks = [in_own_memory(block) for _ in range(40)]
assert all(torch.equal(copy, block) for copy in blocks)
full = size()
del blocks
print(before, full, size())
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="not glibc"
)
def test_freed_copies_go_back_to_the_system():
    command = [sys.executable, "-c", PROGRAM]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, full, after = map(int, process.stdout.split())
    assert after - before < 0.1 * (full - before)
