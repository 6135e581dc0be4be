# SPDX-License-Identifier: Apache-2.0
"""Savepoints: what they refuse. That a run goes on from one as if nothing had been is in test_loop.py."""

import numpy as np
import pytest
import torch
from torch import nn

from petlesion.training.loop import Schedule
from petlesion.training.savepoint import Run, Savepoint, SavepointError


def run_of(network, steps=4):
    schedule = Schedule(steps)
    return Run(network, schedule.optimizer_of(network), schedule, np.random.default_rng(0))


def test_without_a_file_nothing_has_been_done_and_the_start_is_kept(tmp_path):
    savepoint, run = Savepoint(tmp_path / "a.pt"), run_of(nn.Linear(1, 1))
    assert savepoint.begin(run) == 0
    other = run_of(nn.Linear(1, 1))
    assert savepoint.begin(other) == 0
    assert torch.equal(run.network.weight, other.network.weight)


def test_it_is_written_every_so_many_steps_and_at_the_last(tmp_path):
    savepoint, run = Savepoint(tmp_path / "a.pt", every=3), run_of(nn.Linear(1, 1))
    written = []
    for step in (1, 2, 3, 4):
        savepoint.after(step, run)
        written.append(savepoint.begin(run))
    assert written == [0, 0, 3, 4]


def test_the_generator_goes_on(tmp_path):
    savepoint, run = Savepoint(tmp_path / "a.pt", every=1), run_of(nn.Linear(1, 1))
    run.rng.random(3, dtype=np.float32)  # leaves half a word behind
    savepoint.after(1, run)
    expected = run.rng.random(3, dtype=np.float32)
    other = run_of(nn.Linear(1, 1))
    assert savepoint.begin(other) == 1
    np.testing.assert_array_equal(other.rng.random(3, dtype=np.float32), expected)


def test_another_schedule_or_network_is_refused(tmp_path):
    savepoint = Savepoint(tmp_path / "a.pt", every=1)
    savepoint.after(1, run_of(nn.Linear(1, 1)))
    with pytest.raises(SavepointError, match=r"its own schedule; .*steps=4.*steps=5"):
        savepoint.begin(run_of(nn.Linear(1, 1), steps=5))
    with pytest.raises(SavepointError, match=r"its own network; .*move it"):
        savepoint.begin(run_of(nn.Linear(2, 1)))


@pytest.mark.parametrize("content", [b"", b"not a savepoint"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(SavepointError, match="is none"):
        Savepoint(path).begin(run_of(nn.Linear(1, 1)))
    torch.save({"step": 1}, path)
    with pytest.raises(SavepointError, match="is none"):
        Savepoint(path).begin(run_of(nn.Linear(1, 1)))


def test_a_kill_while_it_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    savepoint, run = Savepoint(tmp_path / "a.pt", every=1), run_of(nn.Linear(1, 1))
    savepoint.after(1, run)

    def killed(_, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        savepoint.after(2, run)
    assert savepoint.begin(run) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_never_is_no_interval(tmp_path):
    with pytest.raises(ValueError, match="every=0"):
        Savepoint(tmp_path / "a.pt", every=0)
