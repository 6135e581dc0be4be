# SPDX-License-Identifier: Apache-2.0
"""Losses against numbers worked by hand, and against MONAI's."""

import math

import pytest
import torch
from monai.losses import (
    DeepSupervisionLoss,
    DiceCELoss,
    FocalLoss,
    GeneralizedDiceFocalLoss,
    GeneralizedDiceLoss,
)

from petlesion.training.losses import (
    batch_dice_cross_entropy_sigmoid,
    deep_supervision,
    dice_and_cross_entropy,
    generalized_dice_focal,
    soft_dice,
)


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


def by_class(truth):
    return torch.stack([1 - truth, truth], dim=1).float()


def test_generalized_dice_and_focal_of_an_undecided_network():
    # Four voxels, one of them lesion, every probability 1/2. Weights: 1/9 and 1.
    # overlap 2 (1/9 * 3/2 + 1 * 1/2) = 4/3; sum 1/9 (2 + 3) + 1 (2 + 1) = 32/9; Dice 4/3 / (32/9) = 3/8
    # focal: (1/2)^2 ln 2 at every voxel of either class, times 1 and 100: ln 2 / 4 * 101 / 2
    truth = torch.tensor([[[[1, 0, 0, 0]]]])
    expected = 1 - 3 / 8 + 101 / 8 * math.log(2)
    assert float(generalized_dice_focal(torch.zeros(1, 2, 1, 1, 4), truth)) == pytest.approx(expected, abs=1e-5)


def test_a_lesion_missed_costs_more_than_one_imagined():
    def loss(lesion_logit, truth):
        logits = torch.zeros(1, 2, 1, 1, 1)
        logits[0, 1] = lesion_logit
        return float(generalized_dice_focal(logits, torch.tensor([[[[truth]]]])))

    assert loss(-2.0, 1) > 5
    assert loss(2.0, 1) < 1 < loss(2.0, 0)


@pytest.mark.parametrize("lesions", [(0.1, 0.3), (0.0, 0.2), (0.0, 0.0), (1.0, 0.2)])
def test_generalized_dice_focal_is_the_one_of_monai(lesions):
    # also where a sample has no lesion, or nothing else
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn((2, 2, 4, 5, 6), generator=rng) * 3
    share = torch.tensor(lesions).reshape(2, 1, 1, 1)
    truth = (torch.rand((2, 4, 5, 6), generator=rng) < share).long()
    dice = GeneralizedDiceLoss(
        softmax=True, to_onehot_y=True, w_type="square", batch=False, smooth_nr=1e-5, smooth_dr=1e-5
    )
    focal = FocalLoss(to_onehot_y=True, gamma=2.0, weight=[1.0, 100.0])
    whole = GeneralizedDiceFocalLoss(to_onehot_y=True, softmax=True, weight=[1.0, 100.0])
    found, one_channel = float(generalized_dice_focal(logits, truth)), truth[:, None]
    assert found == pytest.approx(float(dice(logits, one_channel) + focal(logits, one_channel)), rel=1e-5)
    assert found == pytest.approx(float(whole(logits, one_channel)), rel=1e-5)


def test_without_a_lesion_the_smoothing_outweighs_the_dice_and_gradients_are_finite():
    # 1000 voxels, none of them lesion, half of each called lesion: both weights are 1/1000^2;
    # Dice (2 * 500 / 1e6 + 1e-5) / (2000 / 1e6 + 1e-5) = 1010 / 2010
    logits = torch.zeros(1, 2, 10, 10, 10, requires_grad=True)
    loss = generalized_dice_focal(logits, torch.zeros(1, 10, 10, 10, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1 - 1010 / 2010 + 101 / 8 * math.log(2), rel=1e-6)
    assert torch.isfinite(logits.grad).all()


def test_certain_and_wrong_logits_cost_much_and_stay_finite():
    truth = torch.tensor([[[[1, 0]]]])
    logits = ((1 - 2 * by_class(truth)) * 1e4).requires_grad_()
    for one, of in ((logits, generalized_dice_focal), (logits[:, 1:], batch_dice_cross_entropy_sigmoid)):
        logits.grad = None
        of(one, truth).backward(retain_graph=True)
        assert torch.isfinite(logits.grad).all()


def test_losses_do_not_lose_digits_to_bfloat16():
    logits, truth = torch.ones(1, 2, 1, 1, 3, dtype=torch.bfloat16), torch.tensor([[[[1, 0, 0]]]])
    assert generalized_dice_focal(logits, truth).dtype == torch.float32
    assert batch_dice_cross_entropy_sigmoid(logits[:, :1], truth).dtype == torch.float32


def test_batch_dice_and_cross_entropy_of_an_undecided_network():
    # two samples of two voxels, every probability 1/2, one lesion voxel in all: Dice 2 * 1/2 / (2 + 1) = 1/3
    truth = torch.tensor([[[[1, 0]]], [[[0, 0]]]])
    found = float(batch_dice_cross_entropy_sigmoid(torch.zeros(2, 1, 1, 1, 2), truth))
    assert found == pytest.approx(1 - 1 / 3 + math.log(2), abs=1e-5)


def test_nothing_there_and_nothing_found_costs_nothing():
    logits, truth = torch.full((1, 1, 1, 1, 2), -50.0), torch.zeros(1, 1, 1, 2)
    assert float(batch_dice_cross_entropy_sigmoid(logits, truth)) == pytest.approx(0)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_batch_dice_and_cross_entropy_are_those_of_monai(share):
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn((3, 1, 4, 5, 6), generator=rng) * 3
    truth = (torch.rand((3, 4, 5, 6), generator=rng) < share).long()
    expected = DiceCELoss(sigmoid=True, batch=True)(logits, truth[:, None])
    assert float(batch_dice_cross_entropy_sigmoid(logits, truth)) == pytest.approx(float(expected), rel=1e-6)


def test_outputs_weigh_half_of_the_one_before():
    # the losses are 1, 3 and 5: (1 + 3/2 + 5/4) / (1 + 1/2 + 1/4) = 15/7
    outputs = [torch.full((1, 1, 2, 2, 2), value) for value in (1.0, 3.0, 5.0)]
    truth = torch.zeros(1, 2, 2, 2)
    for form in (outputs, torch.stack(outputs, dim=1)):
        assert float(deep_supervision(form, truth, lambda output, _: output.mean())) == pytest.approx(15 / 7)


def test_one_output_needs_no_list():
    logits, truth = torch.randn(2, 1, 2, 2, 2), torch.ones(2, 2, 2, 2)
    assert deep_supervision(logits, truth) == batch_dice_cross_entropy_sigmoid(logits, truth)


def test_the_truth_is_reduced_to_a_coarse_output():
    seen = []

    def loss(output, truth):
        seen.append(truth.flatten().tolist())
        return output.mean()

    outputs = [torch.zeros(1, 1, 1, 1, size) for size in (4, 2)]
    deep_supervision(outputs, torch.tensor([[[[0, 1, 1, 0]]]]), loss)
    assert seen == [[0, 1, 1, 0], [1, 0]]  # centres at 0.5 and 2.5 of 0 to 3: of two as near, the later voxel


def test_deep_supervision_is_that_of_monai_but_for_the_mean():
    rng = torch.Generator().manual_seed(2)
    truth = (torch.rand((2, 8, 8, 8), generator=rng) < 0.3).float()
    outputs = [torch.randn((2, 1, size, size, size), generator=rng) for size in (8, 4, 2)]
    expected = DeepSupervisionLoss(DiceCELoss(sigmoid=True, batch=True))(outputs, truth[:, None]) / 1.75
    assert float(deep_supervision(outputs, truth)) == pytest.approx(float(expected), rel=1e-6)
