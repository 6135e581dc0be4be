# SPDX-License-Identifier: Apache-2.0
"""How many workers there are, and which GPU each may see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from petlesion.cohort.workforce import Workforce, workforce_for


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid="ab"[i]))


@pytest.mark.usefixtures("two_gpus")
def test_by_default_each_gpu_has_a_worker():
    assert workforce_for(None, None, 2, "auto") == Workforce(None, 2, 2, ("GPU-a", "GPU-b"))
    assert workforce_for(None, 3, 2, "cuda") == Workforce(None, 3, 2, ("GPU-a", "GPU-b"))
    assert workforce_for(None, None, 2, "cpu") == Workforce(None, 1, 2, ())


def test_without_a_gpu_there_is_one():
    assert workforce_for(None, None, 2, "cpu") == Workforce(None, 1, 2, ())


@pytest.mark.usefixtures("two_gpus")
def test_a_schedulers_workers_have_gpus_of_their_own():
    assert workforce_for("tcp://there:8786", None, 2, "auto") == Workforce("tcp://there:8786", 1, 2, ())
