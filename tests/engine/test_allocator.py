from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from sanetune.engine.allocator import keep_freed_memory

def faults(rounds):
    for number in range(rounds):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(2):
            torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(2), keep_freed_memory(), faults(8))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_memory_that_was_freed_is_not_filled_with_zeros_again() -> None:
    """64 MB are 16,384 pages. The first rounds are glibc's own finding of its place."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    plain, keeps, kept = done.stdout.split()
    assert keeps == "True"
    assert int(kept) < 100 < 1000 < int(plain)
