# SPDX-License-Identifier: Apache-2.0
"""The organ head's classes and its loss, against numbers worked by hand."""

import math

import numpy as np
import pytest
import torch

from petlesion.phantom.organs import Organ
from petlesion.recipes import MESBAH
from petlesion.training.losses import dice_and_cross_entropy
from petlesion.training.organ_head import (
    CLASSES,
    N_ROWS,
    UNKNOWN,
    lesion_and_organ_loss,
    lesion_rows,
    organ_classes,
    organ_loss,
)


def test_the_classes_are_the_recipes_organs():
    assert tuple(name for name, _ in CLASSES) == MESBAH.training.organs
    assert N_ROWS == 2 + 1 + 14


def test_labels_become_classes():
    labels = np.array([Organ.AIR, Organ.MUSCLE, Organ.BRAIN, Organ.WHITE_MATTER, Organ.LUNG], np.uint8)
    assert organ_classes(labels).tolist() == [0, 0, 1, 1, 12]


def test_no_organ_has_two_classes():
    organs = [organ for _, held in CLASSES for organ in held]
    assert len(organs) == len(set(organs))


def test_a_certain_answer_costs_nothing_and_has_a_dice_of_one():
    classes = torch.tensor([[[[0, 1, 2, 2]]]])
    logits = 100.0 * torch.nn.functional.one_hot(classes, 3).permute(0, 4, 1, 2, 3)
    assert float(organ_loss(logits, classes)) == pytest.approx(-1)


def test_dice_is_the_mean_of_the_organs_that_are_there():
    # three classes, all logits equal: probability 1/3 everywhere. Four voxels: classes 0, 1, 1, 1.
    # class 1: 2 * 3 * (1/3) / (4/3 + 3) = 6/13; class 2 is absent, class 0 is no organ.
    loss = organ_loss(torch.zeros(1, 3, 1, 1, 4), torch.tensor([[[[0, 1, 1, 1]]]]))
    assert float(loss) == pytest.approx(math.log(3) - 6 / 13)


def test_both_heads_have_equal_weight_and_only_known_organs_count():
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(2, N_ROWS, 2, 2, 2, generator=generator)
    target = torch.randint(0, 2, (2, 2, 2, 2, 2), generator=generator)
    target[1, 1] = UNKNOWN
    lesion = dice_and_cross_entropy(output[:, :2], target[:, 0])
    organs = organ_loss(output[:1, 2:], target[:1, 1])
    torch.testing.assert_close(lesion_and_organ_loss(output, target), lesion + organs)
    target[0, 1] = UNKNOWN
    torch.testing.assert_close(lesion_and_organ_loss(output, target), lesion)


def test_written_weights_keep_the_lesion_rows_alone():
    state = {"decoder.seg_layers.3.weight": torch.arange(17.0)[:, None], "encoder.x": torch.ones(17)}
    kept = lesion_rows(state)
    assert kept["decoder.seg_layers.3.weight"].flatten().tolist() == [0, 1]
    assert len(kept["encoder.x"]) == 17
