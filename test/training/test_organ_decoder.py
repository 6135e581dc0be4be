# SPDX-License-Identifier: Apache-2.0
"""The organ head: the same lesion logits as without it, its own loss with equal weight."""

import math
from functools import partial

import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

from petlesion.inference.networks import network_from_plans
from petlesion.training.organ_decoder import LesionAndOrganLoss, OrganDecoder
from petlesion.training.organs import UNKNOWN
from test.nnunet_reference import toy_plans

DICE = {"batch_dice": True, "smooth": 0, "do_bg": False, "ddp": False}
LN2, LN3 = math.log(2), math.log(3)


def networks(*, deep_supervision=False):
    """A toy U-Net, and the same one with a head for three organs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = network_from_plans(toy_plans(), "3d_fullres", 3, 2, deep_supervision=deep_supervision)
        other = network_from_plans(toy_plans(), "3d_fullres", 3, 2, deep_supervision=deep_supervision)
        other.load_state_dict(plain.state_dict())
        other.decoder = OrganDecoder(other.decoder, 3)
    return plain, other


IMAGE = torch.rand(1, 3, 8, 8, 8, generator=torch.Generator().manual_seed(1))


def test_in_evaluation_the_lesions_logits_are_those_of_the_network_without():
    plain, other = (network.eval() for network in networks())
    with torch.no_grad():
        assert torch.equal(plain(IMAGE), other(IMAGE))


def test_in_training_the_organs_follow_at_every_resolution():
    plain, other = (network.train() for network in networks(deep_supervision=True))
    for expected, found in zip(plain(IMAGE), other(IMAGE), strict=True):
        assert torch.equal(found[:, :2], expected)
        assert found.shape == (1, 2 + 4, *expected.shape[2:])


def test_names_are_those_of_the_published_checkpoints():
    plain, other = networks()
    extra = other.state_dict().keys() - plain.state_dict().keys()
    assert plain.state_dict().keys() <= other.state_dict().keys()
    assert extra == {"decoder.organ_seg_layers.0.weight", "decoder.organ_seg_layers.0.bias"}


def loss():
    lesion = DC_and_CE_loss(dict(DICE), {}, dice_class=MemoryEfficientSoftDiceLoss)
    return LesionAndOrganLoss(lesion, 2, dict(DICE))


target = partial(torch.tensor, dtype=torch.int16)


def test_both_losses_have_equal_weight():
    # Undecided on two voxels, one of them lesion: entropy ln 2, Dice 2 * 1/2 / (1 + 1) = 1/2.
    # Two organs; the one known voxel is organ 1: entropy ln 3, Dice 2 * 1/3 / (1/3 + 1) = 1/2 and 0, mean 1/4.
    found = loss()(torch.zeros(1, 5, 1, 1, 2), target([[[[[1, 0]]], [[[1, UNKNOWN]]]]]))
    assert float(found) == pytest.approx((LN2 - 1 / 2) + (LN3 - 1 / 4))


def test_the_lesions_loss_is_alone_in_evaluation_and_where_no_organ_is_known():
    lesion = LN2 - 1 / 2
    assert float(loss()(torch.zeros(1, 2, 1, 1, 2), target([[[[[1, 0]]]]]))) == pytest.approx(lesion)
    unknown = loss()(torch.zeros(1, 5, 1, 1, 2), target([[[[[1, 0]]], [[[UNKNOWN, UNKNOWN]]]]]))
    assert float(unknown) == pytest.approx(lesion)


def test_gradients_are_finite_where_nothing_is_known():
    logits = torch.zeros(1, 5, 1, 1, 2, requires_grad=True)
    loss()(logits, target([[[[[0, 0]]], [[[UNKNOWN, UNKNOWN]]]]])).backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[:, 2:].any()
