# SPDX-License-Identifier: Apache-2.0
"""The stages of a training: what is scored, and what is written."""

import pytest
import torch

from petlesion.training.stages import patch_dice, shifted


class Fixed(torch.nn.Module):
    def forward(self, image):
        return image


def lead(network, image):
    output = network(image)
    return output[:, 1] - output[:, 0]


def test_dice_is_pooled_over_the_patches():
    # first patch: one voxel found and true; second: one found and wrong, one missed: 2 * 1 / (2 + 2)
    first = torch.tensor([[[[[0.0, 0.0]]], [[[1.0, -1.0]]]]])
    second = torch.tensor([[[[[0.0, 0.0]]], [[[1.0, -1.0]]]]])
    truth = torch.tensor([[[[[1, 0]]]]]), torch.tensor([[[[[0, 1]]]]])
    assert patch_dice(Fixed(), [(first, truth[0]), (second, truth[1])], lead) == pytest.approx(0.5)
    assert patch_dice(Fixed(), [], lead) == 0


def test_the_shift_moves_the_difference_of_the_last_layers_logits_alone():
    state = {f"decoder.seg_layers.{i}.bias": torch.zeros(2) for i in (1, 2, 10)} | {"encoder.bias": torch.ones(1)}
    moved = shifted(state, 3.0)
    last = moved["decoder.seg_layers.10.bias"]
    assert float(last[1] - last[0]) == -3.0
    assert all(torch.equal(moved[key], state[key]) for key in state if "10" not in key)
