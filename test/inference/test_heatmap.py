# SPDX-License-Identifier: Apache-2.0
"""The guidance channel has the bits of the whole-volume construction, and no input makes it NaN."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from petlesion.case import CaseError
from petlesion.clicks import Clicks
from petlesion.inference.heatmap import click_heatmap
from petlesion.recipe import HeatmapRule

RULE = HeatmapRule()


def whole_volume(clicks, pet, rule):
    """The definition, word for word: Gaussians over the whole volume, one after the other."""
    tumor = np.zeros(pet.shape, np.float32)
    for x, y, z in clicks.tumor_xyz:
        impulse = np.zeros(pet.shape, np.float32)
        impulse[z, y, x] = 1
        local = gaussian_filter(impulse, rule.sigma_tumor_voxels)
        local[pet < min(float(pet[z, y, x]), rule.suv_cut)] = 0
        tumor += local / local.max()
    tumor = np.clip(tumor, 0, 1)
    impulses = np.zeros(pet.shape, np.float32)
    for x, y, z in clicks.background_xyz:
        impulses[z, y, x] = 1
    background = gaussian_filter(impulses, rule.sigma_background_voxels)
    spared = (impulses > 0) & rule.spare_clicked_voxels
    background[(tumor > 0) & ~spared] = 0
    if background.max() > 0:
        background /= background.max()
    if tumor.max() > 0:
        return tumor / tumor.max() - background
    return rule.background_only_sign * background


def random_pet(shape_zyx, seed=0):
    return np.random.default_rng(seed).gamma(1.5, 2.0, shape_zyx).astype(np.float32)


def test_no_clicks_give_zeros():
    heatmap = click_heatmap(Clicks(), random_pet((4, 5, 6)), RULE)
    assert heatmap.shape == (4, 5, 6)
    assert heatmap.dtype == np.float32
    assert not heatmap.any()


def test_one_tumor_click_is_one_at_its_peak_and_zero_where_the_pet_is_cold():
    pet = np.zeros((3, 3, 9), np.float32)
    pet[1, 1, 2:6] = [2.0, 5.0, 3.0, 2.9]  # cut is min(5, 3) = 3: only x = 3 and x = 4 are kept
    heatmap = click_heatmap(Clicks(((3, 1, 1),)), pet, RULE)
    assert heatmap[1, 1, 3] == 1
    assert np.argwhere(heatmap).tolist() == [[1, 1, 3], [1, 1, 4]]


def test_a_click_on_a_cold_voxel_is_cut_at_its_own_suv():
    pet = np.full((1, 1, 3), 0.5, np.float32)
    pet[0, 0, 2] = 0.4
    heatmap = click_heatmap(Clicks(((0, 0, 0),)), pet, RULE)
    assert (heatmap[0, 0] > 0).tolist() == [True, True, False]


@pytest.mark.parametrize("sign", [-1, 1])
def test_background_alone_has_the_sign_of_the_rule(sign):
    rule = HeatmapRule(background_only_sign=sign)
    heatmap = click_heatmap(Clicks((), ((2, 2, 2),)), random_pet((5, 5, 5)), rule)
    assert (sign * heatmap).max() == 1
    assert (sign * heatmap > 0).all()


def test_background_under_tumor_vanishes_without_nan():
    pet = np.full((3, 3, 3), 9, np.float32)  # everything is within 4 sigma of the click and hot
    clicks = Clicks(((1, 1, 1),), ((0, 0, 0),))
    heatmap = click_heatmap(clicks, pet, RULE)
    assert np.array_equal(heatmap, click_heatmap(Clicks(clicks.tumor_xyz), pet, RULE))


def test_the_released_rule_spares_the_clicked_background_voxel():
    pet = np.full((3, 3, 3), 9, np.float32)
    clicks = Clicks(((1, 1, 1),), ((0, 0, 0),))
    tumor = click_heatmap(Clicks(clicks.tumor_xyz), pet, RULE)
    spared = click_heatmap(clicks, pet, HeatmapRule(spare_clicked_voxels=True))
    assert spared[0, 0, 0] == tumor[0, 0, 0] - 1
    assert np.argwhere(spared != tumor).tolist() == [[0, 0, 0]]


def test_a_click_twice_counts_twice_for_tumor_and_once_for_background():
    pet = np.full((1, 1, 20), 9, np.float32)
    once, twice = ((2, 0, 0),), ((2, 0, 0), (2, 0, 0))
    tumor = click_heatmap(Clicks(once), pet, RULE)
    assert np.array_equal(click_heatmap(Clicks(twice), pet, RULE), np.minimum(2 * tumor, 1))
    assert np.array_equal(click_heatmap(Clicks((), twice), pet, RULE), click_heatmap(Clicks((), once), pet, RULE))


@pytest.mark.parametrize("point", [(6, 0, 0), (0, 5, 0), (0, 0, 4), (-1, 0, 0)])
def test_a_click_outside_is_refused(point):
    with pytest.raises(CaseError, match=r"inside the volume of \(6, 5, 4\)"):
        click_heatmap(Clicks((), (point,)), random_pet((4, 5, 6)), RULE)


def test_not_a_number_in_the_pet_does_not_reach_the_heatmap():
    pet = random_pet((5, 5, 5))
    pet[2, 2, 2] = np.nan
    assert np.isfinite(click_heatmap(Clicks(((2, 2, 2),), ((0, 0, 0),)), pet, RULE)).all()


@st.composite
def cases(draw):
    shape_zyx = draw(st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 30)))
    point = st.tuples(*(st.one_of(st.just(0), st.just(n - 1), st.integers(0, n - 1)) for n in shape_zyx[::-1]))
    clicks = Clicks(tuple(draw(st.lists(point, max_size=4))), tuple(draw(st.lists(point, max_size=5))))
    rule = HeatmapRule(
        sigma_tumor_voxels=draw(st.sampled_from([3.0, 1.3])),
        sigma_background_voxels=draw(st.sampled_from([6.0, 2.0])),
        suv_cut=draw(st.sampled_from([3.0, 4.0])),
        background_only_sign=draw(st.sampled_from([-1, 1])),
        spare_clicked_voxels=draw(st.booleans()),
    )
    return clicks, random_pet(shape_zyx, draw(st.integers(0, 9))), rule


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_bit_is_that_of_the_whole_volume(case):
    heatmap = click_heatmap(*case)
    assert np.array_equal(heatmap, whole_volume(*case))
    assert np.abs(heatmap).max(initial=0) <= 1


@pytest.mark.parametrize("spare", [False, True])
def test_many_clicks_in_a_volume_larger_than_their_boxes(spare):
    """Isolated, overlapping and chained boxes, with gaps between them, and clicks at all corners."""
    rng = np.random.default_rng(7)
    shape_zyx = (90, 110, 130)
    corners = [
        tuple(int(b * (n - 1)) for b, n in zip(bits, shape_zyx[::-1], strict=True)) for bits in np.ndindex(2, 2, 2)
    ]
    inner = [tuple(int(i) for i in rng.integers(0, shape_zyx[::-1])) for _ in range(8)]
    clicks = Clicks((*corners[:4], *inner[:4]), (*corners[4:], *inner[4:]))
    pet = random_pet(shape_zyx, 3)
    rule = HeatmapRule(spare_clicked_voxels=spare)
    assert np.array_equal(click_heatmap(clicks, pet, rule), whole_volume(clicks, pet, rule))


def test_whole_body_is_drawn_in_a_fraction_of_a_second():
    """Ten and ten clicks took 43 s with whole-volume Gaussians; the bound leaves room for a busy machine."""
    rng = np.random.default_rng(1)
    pet = np.full((326, 400, 400), 5, np.float32)
    points = [tuple(int(i) for i in rng.integers(0, (400, 400, 326))) for _ in range(20)]
    start = time.process_time()
    click_heatmap(Clicks(tuple(points[:10]), tuple(points[10:])), pet, RULE)
    assert time.process_time() - start < 1.0
