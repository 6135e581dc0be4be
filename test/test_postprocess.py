# SPDX-License-Identifier: Apache-2.0
"""Component rules: strictly below, at both bounds, and equal to a loop over components."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

from petlesion.postprocess import RemoveSmall, RemoveSmallAndCold, apply_rules, each_alone

RULE = RemoveSmallAndCold(below_voxels=10, below_suv=4.0)


def row(n_voxels, suv):
    """A straight lesion of so many voxels, its last voxel the hottest."""
    mask, pet = np.zeros((3, 3, 14), bool), np.ones((3, 3, 14), np.float32)
    mask[1, 1, 1 : 1 + n_voxels] = True
    pet[1, 1, n_voxels] = suv
    return mask, pet


def test_an_empty_mask_stays_empty():
    mask, pet = row(0, 0)
    assert not apply_rules(mask, pet, 1.0, (RULE,)).any()


def test_without_rules_the_mask_is_what_it_was():
    mask, pet = row(1, 1)
    assert np.array_equal(apply_rules(mask, pet, 1.0, ()), mask)


@pytest.mark.parametrize(
    ("n_voxels", "suv", "kept"), [(9, 3.99, False), (9, 4.0, True), (10, 3.99, True), (10, 4.0, True)]
)
def test_fewer_than_ten_voxels_and_below_four(n_voxels, suv, kept):
    mask, pet = row(n_voxels, suv)
    before = mask.copy()
    assert apply_rules(mask, pet, 1.0, (RULE,)).sum() == n_voxels * kept
    assert np.array_equal(mask, before)


@pytest.mark.parametrize(("n_voxels", "kept"), [(9, False), (10, True)])
def test_small_whatever_the_uptake(n_voxels, kept):
    assert apply_rules(*row(n_voxels, 50.0), 1.0, (RemoveSmall(below_voxels=10),)).any() == kept


@pytest.mark.parametrize(("n_voxels", "kept"), [(4, False), (5, True)])
def test_the_bound_in_cubic_millimetres(n_voxels, kept):
    """Voxels of 2 mm^3: below 10 mm^3 are four of them, not five."""
    for rule in (RemoveSmall(below_mm3=10.0), RemoveSmallAndCold(below_suv=4.0, below_mm3=10.0)):
        assert apply_rules(*row(n_voxels, 3.0), 2.0, (rule,)).any() == kept


def test_voxels_that_touch_at_a_corner_are_one_component():
    mask, pet = row(9, 3.0)
    mask[2, 2, 10] = True
    assert apply_rules(mask, pet, 1.0, (RULE,)).sum() == 10


def test_heat_outside_the_mask_does_not_save_a_component():
    mask, pet = row(9, 3.0)
    pet[0] = 20.0
    assert not apply_rules(mask, pet, 1.0, (RULE,)).any()


def test_rules_apply_one_after_the_other():
    mask, pet = row(9, 5.0)
    assert apply_rules(mask, pet, 1.0, (RULE,)).any()
    assert not apply_rules(mask, pet, 1.0, (RULE, RemoveSmall(below_voxels=10))).any()


@given(st.integers(0, 999), st.floats(0.02, 0.5), st.integers(1, 12))
def test_the_result_is_that_of_a_loop_over_components(seed, density, below_voxels):
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 6, 7)) < density
    pet = rng.gamma(2.0, 1.0, mask.shape).astype(np.float32)
    numbers, count = label(mask, np.ones((3, 3, 3)))
    expected = mask.copy()
    for number in range(1, count + 1):
        part = numbers == number
        if part.sum() < below_voxels and pet[part].max() < 4:
            expected[part] = False
    rule = RemoveSmallAndCold(below_voxels=below_voxels, below_suv=4.0)
    assert np.array_equal(apply_rules(mask, pet, 1.0, (rule,)), expected)


@pytest.mark.parametrize("bounds", [{}, {"below_voxels": 10, "below_mm3": 10.0}])
def test_a_rule_has_one_bound_of_size(bounds):
    with pytest.raises(ValueError, match="one bound of size"):
        RemoveSmall(**bounds)
    with pytest.raises(ValueError, match="one bound of size"):
        RemoveSmallAndCold(below_suv=4.0, **bounds)


def test_mask_and_pet_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one grid"):
        apply_rules(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 3), np.float32), 1.0, ())


def test_each_rule_alone_leaves_what_it_leaves_by_itself():
    mask, pet = row(3, 9.0)
    mask[0, 0, 0] = mask[1, 1, 6] = True  # one that touches at a corner: 4 voxels; one apart
    before = mask.copy()
    rules = [RemoveSmall(below_voxels=n) for n in (5, 0, 4, 2)] + [RemoveSmall(below_mm3=4.0)]
    found = list(each_alone(mask, 2.0, rules))
    assert [int(left.sum()) for left in found] == [0, 5, 4, 4, 4]
    assert all(
        np.array_equal(left, apply_rules(mask, pet, 2.0, (rule,))) for left, rule in zip(found, rules, strict=True)
    )
    assert np.array_equal(mask, before)


def test_nothing_is_left_of_nothing():
    assert not next(each_alone(np.zeros((2, 2, 2), bool), 1.0, [RemoveSmall(below_voxels=0)])).any()
