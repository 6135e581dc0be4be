# SPDX-License-Identifier: Apache-2.0
"""Answers of networks that are taken from a memory: the same bits, of fewer forward passes, and never a wrong one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from petlesion.inference.cpu_layers import quicken
from petlesion.inference.ensemble import predict
from petlesion.inference.plan import InferencePlan
from petlesion.inference.tile_memory import MemoryTiles, Recalling, machinery
from petlesion.inference.tiles import Tiling
from test.inference.models import toy_network

SHA = "0" * 64
PATCH = (16, 16, 16)
PLAN = InferencePlan(folds=(0, 1), flips=((), (2,)), tile_step=0.5, reason="test")


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(3, 24, 32, 40)).astype(np.float32)


def network_of(seed: int):
    network = quicken(toy_network(seed, n_outputs=1))
    network.decoder.deep_supervision = False
    return network


def recalling(memory, shas=(SHA, "1" * 64)):
    return {fold: Recalling(network_of(fold), sha, memory) for fold, sha in enumerate(shas)}


def counts(networks):
    return [(one.computed, one.reused) for one in networks.values()]


def test_what_is_recalled_is_bit_for_bit_what_would_be_computed(image):
    torch.set_num_threads(1)
    memory, changed = MemoryTiles(), image.copy()
    changed[2, 3, 4, 5] += 1.0  # as a click does: in the first tile of each axis alone, since its second begins at 8
    n_tiles = Tiling.of(image.shape[1:], PATCH, 0.5).n_tiles
    first, second, third = (recalling(memory) for _ in range(3))
    plain = predict({n: network_of(n) for n in (0, 1)}, changed, PATCH, PLAN).lead_zyx
    before = predict(first, image, PATCH, PLAN).lead_zyx
    after = predict(second, changed, PATCH, PLAN).lead_zyx
    again = predict(third, changed, PATCH, PLAN).lead_zyx
    assert not np.array_equal(before, after)
    assert after.tobytes() == plain.tobytes() == again.tobytes()
    assert n_tiles == 2 * 3 * 4
    assert counts(first) == [(2 * n_tiles, 0)] * 2
    assert counts(second) == [(2, 2 * n_tiles - 2)] * 2  # plain, and mirrored
    assert counts(third) == [(0, 2 * n_tiles)] * 2


def asked(memory, network, tile, sha=SHA):
    """Whether a network had to be asked for a tile."""
    one = Recalling(network, sha, memory)
    with torch.inference_mode():
        answer = one(tile)
        assert answer.numpy().tobytes() == network(tile).numpy().tobytes()
    return one.computed == 1


def test_another_of_anything_is_computed_anew():
    torch.set_num_threads(1)
    memory, network = MemoryTiles(), network_of(0)
    tile = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3, *PATCH)).astype(np.float32))
    assert asked(memory, network, tile)
    assert not asked(memory, network, tile)
    assert asked(memory, network, torch.flip(tile, (4,)))
    assert asked(memory, network, -tile)
    assert asked(memory, network, tile, sha="2" * 64)
    plain = toy_network(0, n_outputs=1)  # of layers that are not quickened
    plain.decoder.deep_supervision = False
    assert asked(memory, plain, tile)
    torch.set_num_threads(2)
    assert asked(memory, network, tile)
    torch.set_num_threads(1)
    assert not asked(memory, network, tile)
    strided = tile.transpose(2, 3)  # of the same values in another order of memory, once they are transposed back
    assert asked(memory, network, strided.contiguous().transpose(2, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        one = Recalling(network, SHA, memory)
        with torch.inference_mode():
            one(tile)
        assert (one.computed, one.reused) == (1, 0)


def test_the_machinery_names_torch_and_the_processor():
    there = machinery(torch.device("cpu"))
    assert torch.__version__ in there
    assert torch.backends.cpu.get_cpu_capability() in there


def array_of(value, n=100):
    return np.full(n, value, np.float32)  # of 4 n bytes


def test_the_bound_holds_and_what_was_used_last_stays():
    memory = MemoryTiles(1000)
    memory.put(b"a", array_of(1.0))
    memory.put(b"b", array_of(2.0))
    assert memory.get(b"a")[0] == 1.0
    memory.put(b"c", array_of(3.0))  # the third does not fit, and b's last use is the longest ago
    assert (memory.get(b"a")[0], memory.get(b"b"), memory.get(b"c")[0]) == (1.0, None, 3.0)
    assert memory.n_bytes == 800
    memory.put(b"d", array_of(4.0, 251))  # 1004 bytes
    assert memory.get(b"d") is None
    memory.put(b"e", array_of(5.0, 250))
    assert list(memory.held) == [b"e"]
    memory.put(b"e", array_of(6.0))
    assert memory.n_bytes == 400


def test_what_is_held_is_a_copy_that_nobody_changes():
    memory, values = MemoryTiles(), array_of(1.0)
    memory.put(b"a", values)
    values[:] = 2.0
    held = memory.get(b"a")
    assert held[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 3.0


def test_where_memory_is_short_all_is_let_go():
    class Short(np.ndarray):
        def copy(self):
            raise MemoryError

    memory = MemoryTiles()
    memory.put(b"a", array_of(1.0))
    memory.put(b"b", array_of(2.0).view(Short))
    assert memory.n_bytes == 0


def test_a_tile_whose_answer_cannot_be_kept_is_asked_for_again():
    """Otherwise whoever waits for it would wait for ever."""

    class Full(MemoryTiles):
        def put(self, *_):
            raise MemoryError

    network = Recalling(torch.nn.Identity(), SHA, Full())
    tile = torch.ones(1, 1, 2, 2, 2)
    for _ in range(2):
        with pytest.raises(MemoryError):
            network(tile)
    assert not network._under_way


def test_a_plan_of_one_fold_more_computes_that_alone(image):
    torch.set_num_threads(1)
    memory = MemoryTiles()
    predict(recalling(memory), image, PATCH, replace(PLAN, folds=(0,)))
    both = recalling(memory)
    predict(both, image, PATCH, PLAN)
    assert counts(both) == [(0, 48), (48, 0)]


class Short(torch.nn.Module):
    """A network that has room only while its memory holds nothing."""

    def __init__(self, memory, error):
        super().__init__()
        self.memory, self.error = memory, error

    def forward(self, tile):
        if self.memory.held:
            raise self.error
        return tile[:, :1] + 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("not enough memory: you tried to allocate 9 bytes")])
def test_tiles_that_are_kept_make_room_for_a_network(error):
    memory, tile = MemoryTiles(), torch.zeros(1, 3, 2, 2, 2)
    memory.put(b"a", array_of(1.0))
    one = Recalling(Short(memory, error), SHA, memory)
    assert one(tile).tolist() == torch.ones(1, 1, 2, 2, 2).tolist()
    assert (len(memory.held), one.computed) == (1, 1)
    with pytest.raises(type(error)):  # it is held again, and of another network nothing helps
        Recalling(Short(MemoryTiles(held={b"a": 0}), error), "1" * 64, MemoryTiles())(tile)


def test_other_errors_are_not_answered_so():
    memory = MemoryTiles()
    memory.put(b"a", array_of(1.0))
    with pytest.raises(RuntimeError, match="shapes"):
        Recalling(Short(memory, RuntimeError("shapes")), SHA, memory)(torch.zeros(1, 3, 2, 2, 2))
    assert len(memory.held) == 1
