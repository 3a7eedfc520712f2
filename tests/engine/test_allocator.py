from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from sanetune.engine.allocator import keep_freed_memory

print(keep_freed_memory() if sys.argv[1] == "kept" else False)
for number in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(2):
        torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_memory_that_was_freed_is_not_filled_with_zeros_again() -> None:
    """64 MB are 16,384 pages. The first rounds are glibc's own finding of its place."""
    faults = {}
    for mode in ("plain", "kept"):
        done = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
        kept, count = done.stdout.split()
        assert kept == str(mode == "kept")
        faults[mode] = int(count)
    assert faults["kept"] < 100 < 1000 < faults["plain"]
