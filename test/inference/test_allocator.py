# SPDX-License-Identifier: Apache-2.0
"""The memory policy: told where there is glibc, left alone elsewhere."""

from __future__ import annotations

import mmap
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from petlesion.inference import allocator

FAULTS = """
import resource, sys
from petlesion.inference.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import torch
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2_000_000) + 1
before = faults()
for _ in range(20):
    torch.ones(2_000_000) + 1  # two blocks of 8 MB
print(faults() - before)
"""


def page_faults(mode):
    done = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_blocks_are_used_again():
    assert page_faults("keep") < 20 * 2_000_000 * 8 / 4096 / 2  # less than half of the pages are touched anew


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    assert allocator.keep_freed_memory() is False


def test_zeros_take_the_memory_that_is_written():
    zeros = allocator.sparse_zeros((1000, 100, 250))  # 100 MB
    before = resident_bytes()
    zeros[::10, 50, 100] = 2.0  # one page of 4 KB in each tenth slice
    assert resident_bytes() - before < 10e6
    assert (zeros.dtype, zeros.shape, zeros.sum()) == (np.float32, (1000, 100, 250), 200.0)
    assert zeros.flags.writeable


def test_zeros_without_such_pages_are_zeros_too(monkeypatch):
    monkeypatch.delattr(mmap, "MADV_NOHUGEPAGE")
    assert np.array_equal(allocator.sparse_zeros((2, 3, 4)), np.zeros((2, 3, 4), np.float32))
    assert allocator.sparse_zeros((0, 3)).shape == (0, 3)


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE
