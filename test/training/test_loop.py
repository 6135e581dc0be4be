# SPDX-License-Identifier: Apache-2.0
"""The training loop on networks of a few numbers."""

from contextlib import suppress
from math import cos, pi

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from petlesion.inference.networks import network_from_plans
from petlesion.training.loop import Schedule, build, seeded, train
from petlesion.training.losses import dice_and_cross_entropy
from petlesion.training.plans import CONFIGURATION, SmallNetwork, plans_json
from petlesion.training.savepoint import Savepoint


def test_the_rate_rises_then_falls():
    schedule = Schedule(steps=10, rate=1.0, warmup=2)
    assert schedule.rate_at(0) == pytest.approx(0.5)  # first of two warm-up steps, at the top of the cosine
    assert schedule.rate_at(5) == pytest.approx(0.5)  # half way down
    assert schedule.rate_at(9) < 0.03


def test_initial_weights_come_from_the_seed_and_leave_no_trace():
    before = torch.random.get_rng_state()
    first, again, other = (build(lambda: nn.Linear(2, 2), seed) for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def toy():
    plans = plans_json(SmallNetwork(features=(4, 4), blocks=(1, 1)), (np.ones(3, np.float32),) * 2, "toy")
    return network_from_plans(plans, CONFIGURATION, 3, 2)


def bright(rng):
    image = torch.from_numpy(rng.random((1, 3, 8, 8, 8), dtype=np.float32))
    return image, (image[:, 1] > 0.5).long()


def run(steps):
    losses = []
    network = build(toy, 0)
    schedule = Schedule(steps, rate=1e-2, warmup=1)
    train(network, bright, dice_and_cross_entropy, schedule, np.random.default_rng(0), lambda _, v: losses.append(v))
    return network, losses


def test_training_lowers_the_loss():
    _, losses = run(12)
    assert len(losses) == 12
    assert losses[2] < losses[0]
    assert min(losses[-3:]) < losses[0] - 0.1


def test_the_same_seeds_give_the_same_network():
    first, again = run(2)[0], run(2)[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not first.training


def test_the_schedule_of_today_is_adamw_along_a_cosine():
    schedule = Schedule(steps=7, rate=3e-3, horizon=11, warmup=3)
    old = [3e-3 * min(1.0, (k + 1) / 3) * 0.5 * (1 + cos(pi * k / 11)) for k in range(7)]
    assert [schedule.rate_at(k) for k in range(7)] == old
    optimizer = schedule.optimizer_of(nn.Linear(2, 2))
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.defaults["weight_decay"] == 1e-2


def test_the_polynomial_decay_is_that_of_torch():
    schedule = Schedule(steps=10, rate=0.5, warmup=0, decay="polynomial")
    optimizer = schedule.optimizer_of(nn.Linear(1, 1))
    reference = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=10, power=0.9)
    for step in range(10):
        assert schedule.rate_at(step) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert schedule.rate_at(9) == pytest.approx(0.5 * (1 / 10) ** 0.9)
    assert schedule.rate_at(10) == schedule.rate_at(11) == 0


@pytest.mark.parametrize(
    ("name", "kind", "decay"),
    [("adamw", torch.optim.AdamW, 1e-2), ("adam", torch.optim.Adam, 0.0), ("sgd", torch.optim.SGD, 3e-5)],
)
def test_optimizers_come_by_name(name, kind, decay):
    plain = Schedule(1, optimizer=name).optimizer_of(nn.Linear(1, 1))
    assert (type(plain), plain.defaults["weight_decay"]) == (kind, decay)
    other = Schedule(1, optimizer=name, weight_decay=0.5).optimizer_of(nn.Linear(1, 1))
    assert other.defaults["weight_decay"] == 0.5
    if name == "sgd":
        assert (plain.defaults["momentum"], plain.defaults["nesterov"]) == (0.99, True)


def test_a_step_of_sgd_by_hand():
    # weight 2, gradient 1, rate 0.1, decay 0.5: gradient and decay 1 + 0.5 * 2 = 2, which is the momentum, too;
    # Nesterov 2 + 0.99 * 2 = 3.98, and 2 - 0.1 * 3.98
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    schedule = Schedule(1, rate=0.1, warmup=0, weight_decay=0.5, optimizer="sgd")
    one = torch.ones(1, 1)
    train(network, lambda _: (one, one), lambda output, _: output.sum(), schedule, np.random.default_rng(0))
    assert float(network.weight.detach()) == pytest.approx(2 - 0.398)


class Killed(Exception):  # noqa: N818
    """Stands for the end of a process."""


def with_dropout():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))


def points(rng):
    image = torch.from_numpy(rng.random((5, 3), dtype=np.float32))
    return image, image.sum(dim=1, keepdim=True)


def resumable(savepoint, schedule, kill_at=None, seed=0):
    """Weights, and the steps that were taken, of a run that is killed in a step, or of one that is not."""
    steps = []

    def observer(step, _):
        steps.append(step)
        if step == kill_at:
            raise Killed

    network = build(with_dropout, 0)
    with seeded(seed), suppress(Killed):
        rng = np.random.default_rng(0)
        train(network, points, functional.mse_loss, schedule, rng, observer, savepoint=savepoint)
    return network.state_dict(), steps


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("kill_at", [1, 4, 5, 9])
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(tmp_path, optimizer, kill_at):
    schedule = Schedule(9, rate=1e-2, warmup=2, optimizer=optimizer, decay="polynomial")
    expected, _ = resumable(None, schedule)
    savepoint = Savepoint(tmp_path / "runs" / "a.pt", every=2)
    resumable(savepoint, schedule, kill_at)
    found, steps = resumable(savepoint, schedule, seed=7)  # a new process starts with other random numbers
    assert steps[0] == (kill_at - 1) // 2 * 2 + 1
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert [path.name for path in savepoint.path.parent.iterdir()] == ["a.pt"]


def test_a_savepoint_does_not_change_the_numbers(tmp_path):
    schedule = Schedule(5, rate=1e-2)
    plain, _ = resumable(None, schedule)
    kept, _ = resumable(Savepoint(tmp_path / "a.pt", every=1), schedule)
    assert all(torch.equal(plain[key], kept[key]) for key in plain)


def test_a_run_that_is_done_loads_its_weights_and_takes_no_step(tmp_path):
    savepoint, schedule = Savepoint(tmp_path / "a.pt"), Schedule(3, rate=1e-2)
    first, _ = resumable(savepoint, schedule)
    again, steps = resumable(savepoint, schedule)
    assert steps == []
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_a_shortened_schedule_falls_as_far():
    whole = Schedule(100, rate=1.0, horizon=110, warmup=0)
    half = whole.shortened(0.5)
    assert (half.steps, half.horizon) == (50, 55)
    assert half.rate_at(49) == pytest.approx(whole.rate_at(98))
    assert Schedule(1).shortened(0.1).steps == 1


def test_a_gradient_without_a_number_is_no_step():
    """The first batch's loss has an infinite slope at 0, the second's is w: its step, of rate 1, leads to -1."""
    line = nn.Linear(1, 1, bias=False)
    line.weight.data.zero_()
    losses = iter((lambda out, _: out.sum().abs().sqrt(), lambda out, _: out.sum()))
    weights = []

    def loss(output, target):
        return next(losses)(output, target)

    train(
        line,
        lambda _: (torch.ones(1, 1), torch.zeros(1)),
        loss,
        Schedule(2, rate=1.0, warmup=0, optimizer="adam", horizon=10**9),
        np.random.default_rng(0),
        lambda *_: weights.append(float(line.weight.detach())),
    )
    assert weights == [0.0, pytest.approx(-1.0)]
