# SPDX-License-Identifier: Apache-2.0
"""Patches of MONAI's networks: where they lie, and what becomes of the first stage's mask."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from petlesion.training.layouts import DataError
from petlesion.training.monai_patches import MonaiPatches, cut
from test.training.toy_studies import TOY_SAFDARI

PLAIN = replace(TOY_SAFDARI.stages[1].members[0].training, augmentations=(), coarse_dropout=0.0, batch_size=8)


@pytest.fixture
def patches(safdari_dataset, safdari_results):
    assert safdari_results.is_dir()
    names = safdari_dataset.cases_of(0, with_healthy=False)["train"]
    return MonaiPatches(safdari_dataset, names, ("ct", "pet", "mask"), PLAIN, (10, 10, 10), torch.device("cpu"))


def test_a_patch_holds_its_voxel_and_stays_inside():
    array = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    assert np.array_equal(cut(array, np.array([2, 3, 3]), (2, 2, 2)), array[1:3, 2:4, 2:4])
    assert np.array_equal(cut(array, np.array([0, 5, 6]), (2, 3, 4)), array[0:2, 3:6, 3:7])


def test_a_small_array_stands_amid_zeros_as_a_tile_does():
    found = cut(np.ones((1, 4, 2)), np.array([0, 0, 0]), (4, 2, 3))
    assert found.sum() == 1 * 2 * 2
    assert found[1, :, :2].all()  # two voxels are missing below and one above, or the odd one above


def test_the_mask_is_the_third_channel(patches):
    image, truth = patches.batch(np.random.default_rng(0))
    assert image.shape == (8, 3, 10, 10, 10)
    assert truth.flatten(1).any(dim=1).all()  # a lesion share of 1
    assert set(image[:, 2].unique().tolist()) <= {0.0, 1.0}


def test_holes_are_cut_into_the_mask_alone(patches):
    holed = replace(patches, training=replace(PLAIN, coarse_dropout=1.0))
    (image, truth), (other, same) = (one.batch(np.random.default_rng(0)) for one in (patches, holed))
    assert torch.equal(image[:, :2], other[:, :2])
    assert torch.equal(truth, same)
    assert not other[:, 2].any()  # holes have 10 voxels at least, and the patch has 10


def test_a_missing_mask_is_named(patches):
    names = ["psma_dot_1"]
    with pytest.raises(DataError, match="that of psma_dot_1 is missing"):
        replace(patches, names=names).batch(np.random.default_rng(0))
