# SPDX-License-Identifier: Apache-2.0
"""The mask of last resort."""

from __future__ import annotations

import numpy as np

from petlesion.clicks import Clicks
from petlesion.fallback import threshold_mask
from petlesion.volume import Grid, Volume


def pet(array_zyx, spacing_mm=(4.0, 4.0, 4.0)):
    array = np.asarray(array_zyx, np.float32)
    return Volume(array, Grid(array.shape[::-1], spacing_mm))


def test_without_clicks_the_mask_is_empty():
    mask = threshold_mask(pet(np.full((3, 4, 5), 9.0)), Clicks())
    assert mask.array_zyx.dtype == np.uint8
    assert mask.array_zyx.sum() == 0


def test_the_region_is_what_reaches_half_of_the_local_maximum():
    line = [[[0, 1, 4, 5, 8, 5, 3.9, 1, 0, 6]]]  # 6 is another lesion
    mask = threshold_mask(pet(line), Clicks(tumor_xyz=((4, 0, 0),)))
    assert mask.array_zyx[0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]


def test_a_click_beside_the_maximum_finds_it():
    line = [[[0, 1, 4, 5, 8, 5, 3.9, 1, 0, 0]]]
    mask = threshold_mask(pet(line), Clicks(tumor_xyz=((2, 0, 0),)))
    assert mask.array_zyx[0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]


def test_a_leak_ends_at_the_reach():
    mask = threshold_mask(pet(np.full((1, 1, 60), 7.0)), Clicks(tumor_xyz=((30, 0, 0),)))
    assert mask.array_zyx.sum() == 2 * 10 + 1  # 40 mm are 10 voxels of 4 mm to each side


def test_a_click_on_nothing_adds_nothing():
    mask = threshold_mask(pet(np.zeros((5, 5, 5))), Clicks(tumor_xyz=((2, 2, 2),)))
    assert mask.array_zyx.sum() == 0


def test_regions_of_several_clicks_are_joined():
    line = [[[9, 0, 0, 0, 0, 0, 0, 9, 8, 0]]]
    mask = threshold_mask(pet(line), Clicks(tumor_xyz=((0, 0, 0), (7, 0, 0), (8, 0, 0))))
    assert mask.array_zyx[0, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 1, 1, 0]


def test_background_clicks_add_nothing():
    mask = threshold_mask(pet(np.full((3, 3, 3), 5.0)), Clicks(background_xyz=((1, 1, 1),)))
    assert mask.array_zyx.sum() == 0
