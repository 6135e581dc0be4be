# SPDX-License-Identifier: Apache-2.0
"""Augmentation: what it may change, and what it may not."""

import numpy as np

from petlesion.inference.normalize import Intensity
from petlesion.training.augment import flip, vary_intensity

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
