# SPDX-License-Identifier: Apache-2.0
"""Augmentations by name: the same generator gives the same patch, and truth and masks move with the image."""

import numpy as np
import pytest

from petlesion.recipes import AHAMED, SAFDARI
from petlesion.training.monai_augment import AUGMENTATIONS, augmented

CHANNELS = ("ct", "pet", "mask")
SPATIAL = ("axial_affine", "affine", "elastic")


def patch():
    truth = np.zeros((20, 22, 24), np.uint8)
    truth[7:13, 8:14, 9:15] = 1
    rng = np.random.default_rng(0)
    image = np.stack([rng.random(truth.shape), 10.0 * truth, truth]).astype(np.float32)
    return image, truth


def test_every_recipe_names_augmentations_that_there_are():
    for recipe in (AHAMED, SAFDARI):
        for member in recipe.members():
            assert member.training.augmentations
            assert set(member.training.augmentations) <= AUGMENTATIONS.keys()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_generator_decides_and_nothing_else(name):
    image, truth = patch()
    kept = image.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - it must stay as it is
    runs = [augmented(image, truth, CHANNELS, [name] * 3, np.random.default_rng(seed)) for seed in (4, 4, *range(6))]
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert any(not np.array_equal(found, image) for found, _ in runs)
    assert all(found.dtype == np.float32 and there.dtype == np.uint8 for found, there in runs)


@pytest.mark.parametrize("name", SPATIAL)
def test_truth_and_mask_move_together_and_with_the_image(name):
    image, truth = patch()
    for seed in range(4):
        found, moved = augmented(image, truth, CHANNELS, [name], np.random.default_rng(seed))
        np.testing.assert_array_equal(found[2], moved)
        assert np.mean((found[1] > 5) == (moved > 0)) > 0.98  # linear against nearest, at the edge
        assert moved.sum() > 0.3 * truth.sum()


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name not in SPATIAL])
def test_intensities_leave_truth_and_mask(name):
    image, truth = patch()
    found, there = augmented(image, truth, CHANNELS, [name] * 3, np.random.default_rng(2))
    np.testing.assert_array_equal(there, truth)
    np.testing.assert_array_equal(found[2], image[2])


def test_nothing_is_done_where_nothing_is_named():
    image, truth = patch()
    found, there = augmented(image, truth, CHANNELS, (), np.random.default_rng(0))
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(there, truth)
