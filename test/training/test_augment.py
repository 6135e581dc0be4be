# SPDX-License-Identifier: Apache-2.0
"""Augmentation: what it may change, and what it may not."""

import numpy as np
import pytest
from scipy.ndimage import find_objects, label

from petlesion.inference.normalize import Intensity
from petlesion.training.augment import coarse_dropout, flip, vary_intensity

PET = Intensity(mean=6.0, std=2.0, percentile_00_5=1.0, percentile_99_5=30.0)


def test_image_and_truth_are_mirrored_together():
    truth = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    image = np.stack([truth] * 3).astype(np.float32)
    seen = set()
    for seed in range(40):
        flipped, mirrored = flip(image, truth[None], np.random.default_rng(seed))
        np.testing.assert_array_equal(flipped[2], mirrored[0])
        seen.add(int(mirrored[0, 0, 0, 0]))
    assert seen == set(range(8))  # every one of the eight mirrors occurs


def test_suv_is_scaled_and_the_clicks_stay():
    image = np.zeros((3, 2, 2, 2), np.float32)
    image[1] = (np.array([4.0, 8.0], np.float32) - 6) / 2  # SUV 4 and 8
    image[2] = 0.5
    for seed in range(10):
        work = image.copy()
        vary_intensity(work, PET, np.random.default_rng(seed))
        suv = work[1] * 2 + 6
        np.testing.assert_array_equal(work[2], image[2])
        assert abs(float(suv[..., 1].mean() / suv[..., 0].mean()) - 2) < 0.2


def holes_of(seed):
    """The boxes around what is dropped from a large mask of ones."""
    labels, _ = label(coarse_dropout(np.ones((160, 160, 160), np.uint8), np.random.default_rng(seed)) == 0)
    return [tuple(side.stop - side.start for side in box) for box in find_objects(labels)]


def test_three_to_five_holes_of_ten_to_thirty_two_voxels():
    found = [holes_of(seed) for seed in range(25)]
    assert {len(holes) for holes in found} >= {3, 4, 5}  # holes that meet look like one
    assert max(map(len, found)) == 5
    edges = [edge for holes in found if len(holes) == 5 for hole in holes for edge in hole]
    assert 10 <= min(edges) <= 12
    assert 30 <= max(edges) <= 32


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 50, 9), (40, 36, 33)])
def test_coarse_dropout_adds_zeros_only_whatever_the_size(shape):
    before = np.random.default_rng(0).integers(1, 4, shape).astype(np.float32)
    mask = before.copy()
    dropped = coarse_dropout(mask, np.random.default_rng(1))
    np.testing.assert_array_equal(mask, before)
    assert dropped.dtype == np.float32
    assert (dropped == 0).any()
    np.testing.assert_array_equal(dropped[dropped != 0], mask[dropped != 0])


def test_an_array_smaller_than_a_hole_is_dropped_whole():
    assert not coarse_dropout(np.ones((4, 10, 7), bool), np.random.default_rng(0)).any()


def test_the_same_seed_makes_the_same_holes():
    mask = np.ones((48, 48, 48), np.uint8)
    first, again, other = (coarse_dropout(mask, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
