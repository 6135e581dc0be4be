# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from petlesion.inference.devices import first_rung, planned_bytes, tuned

IMAGE = torch.zeros(3, 10, 20, 30)  # 6,000 voxels


def test_memory_is_counted_from_the_shape():
    assert planned_bytes(IMAGE) == 4 * 6000 * (3 + 2)


def test_the_cpu_begins_on_the_last_rung():
    assert first_rung(IMAGE, torch.device("cpu")) == 2


@pytest.mark.parametrize(("free_bytes", "rung"), [(240_000, 0), (239_998, 1)])
def test_a_gpu_keeps_the_image_where_it_takes_half_of_what_is_free(monkeypatch, free_bytes, rung):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free_bytes, 10**9))
    assert first_rung(IMAGE, torch.device("cuda")) == rung


def test_cudnn_measures_its_algorithms_for_the_sweeps_only():
    before = torch.backends.cudnn.benchmark
    with tuned(torch.device("cpu")):
        assert torch.backends.cudnn.benchmark == before
    with tuned(torch.device("cuda")):
        assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark == before
