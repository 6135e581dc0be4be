# SPDX-License-Identifier: Apache-2.0
"""Losses against numbers worked by hand."""

import math

import pytest
import torch

from petlesion.training.losses import dice_and_cross_entropy, soft_dice


def test_dice_of_nothing_and_nothing_is_zero_and_finite():
    assert soft_dice(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_dice_is_that_of_the_whole_batch():
    # |P G| = 0.5 + 0.25 = 0.75; |P| = 1 + 0.25 = 1.25, |G| = 2: 2 * 0.75 / 3.25 = 6/13
    probability = torch.tensor([[0.5, 0.5], [0.25, 0.0]])
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(soft_dice(probability, truth)) == pytest.approx(6 / 13)


def test_loss_of_an_undecided_network():
    # every probability is 1/2: cross entropy ln 2; Dice 2 * 0.5 / (2 * 0.5 + 1) = 1/2
    logits = torch.zeros(1, 2, 1, 1, 2)
    truth = torch.tensor([[[[1, 0]]]])
    assert float(dice_and_cross_entropy(logits, truth)) == pytest.approx(math.log(2) - 1 / 2)


def test_loss_of_a_perfect_answer_is_minus_one():
    truth = torch.tensor([[[[1, 0]]]])
    logits = torch.stack([1 - 2.0 * truth, 2.0 * truth - 1], dim=1) * 50
    assert float(dice_and_cross_entropy(logits, truth)) == pytest.approx(-1)


def test_gradients_are_finite_where_there_is_no_lesion():
    logits = torch.full((1, 2, 1, 1, 2), 30.0, requires_grad=True)
    dice_and_cross_entropy(logits, torch.zeros(1, 1, 1, 2, dtype=torch.int64)).backward()
    assert torch.isfinite(logits.grad).all()


def test_shares_of_a_voxel_are_learned_as_they_are():
    # one voxel that is 1/4 lesion: cross entropy is least at a probability of 1/4
    truth = torch.tensor([[[[0.25]]]])
    losses = [
        float(dice_and_cross_entropy(torch.tensor([0.0, math.log(p / (1 - p))]).reshape(1, 2, 1, 1, 1), truth))
        + float(soft_dice(torch.tensor([p]), torch.tensor([0.25])))
        for p in (0.15, 0.25, 0.4)
    ]
    assert losses[1] == min(losses)
