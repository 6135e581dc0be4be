# SPDX-License-Identifier: Apache-2.0
"""Windows side by side: the order and the bits of one after the other, whatever ends them."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from petlesion.inference import ensemble
from petlesion.inference.ensemble import predict
from petlesion.inference.plan import InferencePlan
from petlesion.inference.side_by_side import LARGEST_VOXELS, MOST_AT_ONCE, at_once, in_order
from petlesion.inference.tile_memory import MemoryTiles, Recalling
from petlesion.inference.workplace import Deadline
from petlesion.limits import OutOfLimitsError

CPU = torch.device("cpu")
PATCH = (4, 6, 4)
PLAN = InferencePlan(folds=(0, 1), flips=((), (0, 2)), tile_step=0.5, reason="test")


class Sums(nn.Module):
    """A network of many roundings, which meets another thread inside it where there is one."""

    def __init__(self, seed, together=1):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv = nn.Conv3d(2, 1, 3, padding=1)
        self.meeting, self.threads = threading.Barrier(together), set()

    def forward(self, tile):
        self.threads.add(threading.get_ident())
        self.meeting.wait(10)
        return self.conv(tile)


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(2, 9, 13, 10)).astype(np.float32)


@pytest.fixture
def side_by_side(monkeypatch):
    monkeypatch.setattr(ensemble, "at_once", lambda *_: 2)


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_results_come_in_the_order_of_the_items(n):
    def slowest_first(i):
        time.sleep(0.02 / (1 + i))
        return i * i

    assert list(in_order(slowest_first, range(12), n)) == [i * i for i in range(12)]


def test_no_items_give_no_results():
    assert list(in_order(abs, [], 2)) == []


def test_so_many_are_worked_on_at_once():
    meeting = threading.Barrier(3)
    assert list(in_order(lambda i: meeting.wait(10) >= 0 and i, range(6), 3)) == list(range(6))


def test_items_are_read_only_a_little_ahead():
    read = []

    def items():
        for i in range(100):
            read.append(i)
            yield i

    results = in_order(abs, items(), 2)
    next(results)
    assert len(read) <= 4
    results.close()
    assert len(read) <= 4


@pytest.mark.parametrize("where", ["work", "items"])
def test_an_error_is_raised_and_ends_the_work(where):
    done = []

    def work(i):
        if where == "work" and i == 3:
            raise MemoryError("no room")
        done.append(i)

    def items():
        for i in range(100):
            if where == "items" and i == 3:
                raise MemoryError("no room")
            yield i

    with pytest.raises(MemoryError, match="no room"):
        list(in_order(work, items(), 2))
    assert len(done) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("windows")]


def test_torchs_threads_are_shared_meanwhile_and_all_there_afterwards():
    assert set(in_order(lambda _: torch.get_num_threads(), range(4), 2)) == {1}
    assert torch.get_num_threads() == 2


def test_a_second_thread_of_the_process_works_alone_meanwhile():
    """Each of two would take the other's setting for its own, and leave one thread behind for good."""
    first = in_order(lambda _: threading.get_ident(), range(4), 2)
    next(first)
    assert set(in_order(lambda _: threading.get_ident(), range(4), 2)) == {threading.get_ident()}
    first.close()
    assert threading.get_ident() not in set(in_order(lambda _: threading.get_ident(), range(4), 2))
    assert torch.get_num_threads() == 2


def test_small_windows_on_a_cpu_alone_are_side_by_side(monkeypatch):
    edge = round(LARGEST_VOXELS ** (1 / 3))
    assert at_once((edge, edge, edge), CPU) == 2
    assert at_once((edge, edge, edge + 1), CPU) == 1
    assert at_once((4, 4, 4), torch.device("cuda")) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert at_once((4, 4, 4), CPU) == MOST_AT_ONCE


def test_the_ensembles_answer_has_the_bits_of_one_window_after_the_other(image, monkeypatch):
    monkeypatch.setattr(ensemble, "at_once", lambda *_: 1)
    expected = predict({0: Sums(0), 1: Sums(1)}, image, PATCH, PLAN)
    monkeypatch.setattr(ensemble, "at_once", lambda *_: 2)
    networks = {0: Sums(0, together=2), 1: Sums(1, together=2)}
    seen = []
    found = predict(networks, image, PATCH, PLAN, observer=seen.append)
    assert np.array_equal(found.lead_zyx, expected.lead_zyx)
    assert found.sweeps == expected.sweeps
    assert [one.tile for one in seen] == 4 * list(range(1, seen[0].tiles + 1))
    assert all(len(network.threads) > 1 for network in networks.values())


@pytest.mark.usefixtures("side_by_side")
def test_time_that_is_up_cuts_a_sweep(image):
    with pytest.raises(OutOfLimitsError, match="time ran out"):
        predict({0: Sums(0), 1: Sums(1)}, image, PATCH, PLAN, deadline=Deadline(0.0, lambda: 1.0))


@pytest.mark.usefixtures("side_by_side")
def test_a_sweep_that_its_reader_breaks_off_leaves_no_threads_and_all_of_torchs(image):
    def broken(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as kept:  # and with it the frames in which the results were read
        predict({0: Sums(0), 1: Sums(1)}, image, PATCH, PLAN, observer=broken)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("windows")]
    assert torch.get_num_threads() == 2
    assert kept.value


@pytest.mark.usefixtures("side_by_side")
def test_of_equal_tiles_that_are_asked_for_at_once_one_is_computed():
    plan = InferencePlan(folds=(0,), flips=((),), tile_step=0.5, reason="test")
    recalling = Recalling(Sums(0), "sha", MemoryTiles())
    answer = predict({0: recalling}, np.ones((2, 9, 13, 10), np.float32), PATCH, plan)
    assert recalling.computed == 1
    assert recalling.reused > 10
    assert np.isfinite(answer.lead_zyx).all()


def test_a_tile_whose_network_failed_can_be_asked_for_again():
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, tile):
            self.calls += 1
            if self.calls == 1:
                raise ZeroDivisionError
            return tile[:, :1]

    recalling = Recalling(Failing(), "sha", MemoryTiles())
    tile = torch.ones(1, 2, 4, 4, 4)
    with pytest.raises(ZeroDivisionError):
        recalling(tile)
    assert torch.equal(recalling(tile), tile[:, :1])
    assert recalling.computed == 1
