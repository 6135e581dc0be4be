# SPDX-License-Identifier: Apache-2.0
"""The training loop on networks of a few numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from petlesion.inference.networks import network_from_plans
from petlesion.training.loop import Schedule, build, train
from petlesion.training.losses import dice_and_cross_entropy
from petlesion.training.plans import CONFIGURATION, SmallNetwork, plans_json


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
