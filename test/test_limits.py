# SPDX-License-Identifier: Apache-2.0
"""Bounds of a run are checked where they are made."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from petlesion.limits import Limits, OutOfLimitsError, check_open_files, is_out_of_files, is_out_of_memory
from petlesion.outcome import OUT_OF_LIMITS, sentence_of, status_of


@pytest.mark.parametrize("depth", ["voxels", "published", "deadline", 1, 2, 4, 8])
def test_depths_that_exist(depth):
    assert Limits(depth=depth).depth == depth


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"depth": 3}, "1, 2, 4 or 8"),
        ({"depth": 0}, "1, 2, 4 or 8"),
        ({"depth": "deep"}, "1, 2, 4 or 8"),
        ({"tile_step": 0.0}, r"\(0, 1\]"),
        ({"tile_step": 1.1}, r"\(0, 1\]"),
        ({"tile_step": float("nan")}, r"\(0, 1\]"),
        ({"time_limit_s": 0.0}, "positive"),
        ({"time_limit_s": float("nan")}, "positive"),
        ({"folds": ()}, "at least one"),
        ({"folds": (1, 1)}, "once each"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Limits(**wrong)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
        RuntimeError("can't start new thread"),
    ],
    ids=str,
)
def test_a_lack_of_memory_is_known_by_any_of_its_names(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("a real fault"), ValueError("out of memory"), OSError("disk full")])
def test_other_errors_are_no_lack_of_memory(error):
    assert not is_out_of_memory(error)


def unreadable():
    """As `images` refuses a file that cannot be opened: of the system's error only the context is left."""
    error = RuntimeError("an image cannot be read")
    error.__context__ = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    error.__suppress_context__ = True
    return error


def test_a_refusal_to_open_files_is_known_behind_other_errors():
    assert is_out_of_files(OSError(errno.ENFILE, "Too many open files in system"))
    assert is_out_of_files(ImportError("libx.so: cannot open shared object file: Too many open files"))
    assert status_of(unreadable()) == OUT_OF_LIMITS
    assert sentence_of(unreadable()) == "too many open files (an image cannot be read); raise the limit (ulimit -n)"
    assert not is_out_of_files(FileNotFoundError(errno.ENOENT, "No such file"))
    looped = RuntimeError("one")
    looped.__context__ = RuntimeError("two")
    looped.__context__.__context__ = looped
    assert not is_out_of_files(looped)


def test_open_files_are_counted_and_given_back(monkeypatch):
    def few():
        if len(given) == 6:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        given.extend(pipe())
        return given[-2:]

    given, pipe = [], os.pipe
    check_open_files()
    monkeypatch.setattr(os, "pipe", few)
    with pytest.raises(OutOfLimitsError, match=r"^too many open files: a case needs 16 .* and 6 can .*ulimit -n\)$"):
        check_open_files()
    for number in given:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
