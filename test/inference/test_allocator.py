# SPDX-License-Identifier: Apache-2.0
"""The memory policy: told where there is glibc, left alone elsewhere."""

from __future__ import annotations

import platform
import subprocess
import sys

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
