# SPDX-License-Identifier: Apache-2.0
"""The device of a training: never the CPU in silence where a GPU was asked for."""

import pytest
import torch

from petlesion.limits import UsageError
from petlesion.training.device import training_device


@pytest.mark.parametrize(
    ("wanted", "there", "device"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_a_gpu_is_taken_where_there_is_one(wanted, there, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert training_device(wanted) == device


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="needs an NVIDIA GPU"):
        training_device("cuda")
