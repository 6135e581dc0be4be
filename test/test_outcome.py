# SPDX-License-Identifier: Apache-2.0
"""Exit statuses and sentences."""

from __future__ import annotations

import pytest
import torch

from petlesion.case import CaseError
from petlesion.images import ImageError, OutputError
from petlesion.inference.manifest import WeightsError
from petlesion.inference.networks import NetworkError
from petlesion.inference.nnunet_plans import PlansError
from petlesion.inference.plan import PlanError
from petlesion.limits import OutOfLimitsError, Terminated
from petlesion.metrics import MetricError
from petlesion.outcome import LONGEST_SENTENCE, sentence_of, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CaseError("x"), 3),
        (ImageError("x"), 3),
        (MetricError("x"), 3),
        (WeightsError("x"), 4),
        (NetworkError("x"), 4),
        (PlansError("x"), 4),
        (PlanError("x"), 4),
        (OutOfLimitsError("x"), 5),
        (MemoryError("x"), 5),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), 5),
        (torch.OutOfMemoryError("CUDA out of memory"), 5),
        (RuntimeError("can't start new thread"), 5),
        (OutputError("x"), 6),
        (ValueError("x"), 70),
        (RuntimeError("x"), 70),
        (Terminated("x"), 143),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_status(error, status):
    assert status_of(error) == status


def test_a_sentence_is_one_line():
    assert sentence_of(CaseError("two\n  lines")) == "two lines"


def test_a_long_sentence_keeps_its_ends():
    sentence = sentence_of(CaseError("rule " + "x" * 100_000 + " remedy"))
    assert len(sentence) < LONGEST_SENTENCE
    assert sentence.startswith("rule x")
    assert sentence.endswith("x remedy")


def test_an_error_nobody_foresaw_is_named():
    assert sentence_of(KeyError("k")) == "internal error, KeyError: 'k'"


def test_an_error_without_words_has_its_name():
    assert sentence_of(CaseError()) == "CaseError"


def test_a_lack_of_memory_comes_with_a_remedy():
    assert "give the process more" in sentence_of(MemoryError("Unable to allocate 8 GiB"))
