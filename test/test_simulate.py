# SPDX-License-Identifier: Apache-2.0
"""Clicks by the rules of autoPET IV: centres first, boundaries after, none where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from petlesion.clicks import Clicks
from petlesion.simulate import click_mask, click_steps, hot_background, simulate_clicks
from petlesion.volume import Grid, GridError, Volume

PUBLIC_CLICKS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "clicks"


def volumes(truth_zyx, pet_zyx):
    grid = Grid(tuple(reversed(truth_zyx.shape)), (2.0, 2.0, 3.0))
    return Volume(truth_zyx, grid), Volume(pet_zyx.astype(np.float32), grid)


def clicks_of(truth_zyx, pet_zyx, seed=0, **counts):
    return simulate_clicks(*volumes(truth_zyx, pet_zyx), np.random.default_rng(seed), **counts)


def test_no_lesion_no_tumor_click():
    pet = np.arange(1000.0).reshape(10, 10, 10)
    clicks = clicks_of(np.zeros((10, 10, 10), dtype=np.uint8), pet)
    assert clicks.tumor_xyz == ()
    assert len(clicks.background_xyz) == 10


def test_nothing_hot_no_background_click():
    truth = np.zeros((4, 4, 4), dtype=np.uint8)
    truth[1, 2, 3] = 1
    clicks = clicks_of(truth, np.ones((4, 4, 4)))
    assert clicks == Clicks(((3, 2, 1),) * 10)  # a lesion of one voxel has one centre and one boundary voxel


def test_lesion_everywhere_leaves_no_background():
    clicks = clicks_of(np.ones((3, 3, 3), dtype=np.uint8), np.arange(27.0).reshape(3, 3, 3))
    assert clicks.tumor_xyz[0] == (1, 1, 1)
    assert clicks.background_xyz == ()


def test_the_centre_comes_first_and_the_boundary_after():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[2:7, 2:7, 2:7] = True  # a cube of five: only its middle is three voxels from the outside
    first, *others = click_mask(mask, 10, np.random.default_rng(0))
    assert first == (4, 4, 4)
    assert len(others) == 9
    assert all(any(i in {2, 6} for i in point) for point in others)


def test_touching_at_a_corner_is_one_component():
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert len(set(click_mask(mask, 1, np.random.default_rng(0)))) == 1
    assert click_mask(mask, 1, np.random.default_rng(0))[0] in {(0, 0, 0), (1, 1, 1)}
    assert set(click_mask(mask, 40, np.random.default_rng(0))) == {(0, 0, 0), (1, 1, 1)}


def test_more_components_than_clicks_gives_each_at_most_one():
    mask = np.zeros((1, 1, 39), dtype=bool)
    mask[..., ::2] = True
    points = click_mask(mask, 10, np.random.default_rng(3))
    assert len(set(points)) == 10
    assert all(x % 2 == 0 for x, _, _ in points)


def test_fewer_components_take_turns_at_their_boundaries():
    mask = np.zeros((1, 1, 7), dtype=bool)
    mask[..., :3] = mask[..., 4:] = True
    points = click_mask(mask, 6, np.random.default_rng(0))
    sides = [x > 3 for x, _, _ in points]
    assert sides == [sides[0], not sides[0]] * 3


def test_hot_is_above_the_percentile_outside_the_lesions():
    pet = np.arange(1000.0).reshape(10, 10, 10)
    lesion = pet >= 600
    hot = hot_background(lesion, pet)
    assert set(pet[hot]) == {598.0, 599.0}  # 99.75 % of the way from 0 to 599 is 597.5


def test_steps_grow_by_one_of_each_kind():
    clicks = Clicks(tuple((i, 0, 0) for i in range(10)), tuple((0, i, 0) for i in range(10)))
    steps = click_steps(clicks)
    assert len(steps) == 11
    assert not steps[0]
    assert steps[10] == clicks
    assert [(len(s.tumor_xyz), len(s.background_xyz)) for s in steps] == [(k, k) for k in range(11)]


def test_steps_without_a_lesion_have_background_only():
    steps = click_steps(Clicks((), ((1, 1, 1),)))
    assert [len(s) for s in steps] == [0] + [1] * 10


def test_seeds_decide():
    rng = np.random.default_rng(5)
    truth, pet = (rng.random((12, 12, 12)) > 0.9).astype(np.uint8), rng.random((12, 12, 12))
    assert clicks_of(truth, pet, 1) == clicks_of(truth, pet, 1) != clicks_of(truth, pet, 2)


def test_no_offset_changes_nothing_that_a_seed_decides():
    mask = np.ones((12, 12, 12), dtype=bool)
    plain, moved = (click_mask(mask, 10, np.random.default_rng(1), offset) for offset in (0, 2))
    assert plain == click_mask(mask, 10, np.random.default_rng(1))
    assert plain != moved


def test_an_offset_moves_each_axis_by_so_many_voxels_at_most():
    mask = np.ones((21, 21, 21), dtype=bool)
    moved = {click_mask(mask, 1, np.random.default_rng(seed), 3)[0] for seed in range(60)}
    assert {abs(i - 10) for point in moved for i in point} == {0, 1, 2, 3}
    assert any(len(set(point)) > 1 for point in moved)  # an offset of its own for each axis


def test_an_offset_that_leaves_the_component_or_the_volume_is_not_taken():
    mask = np.zeros((1, 1, 5), dtype=bool)
    mask[0, 0, 0] = mask[0, 0, 4] = True  # the other component does not count either
    for seed in range(20):
        assert set(click_mask(mask, 4, np.random.default_rng(seed), 4)) == {(0, 0, 0), (4, 0, 0)}


def test_grids_that_differ_are_refused():
    truth, _ = volumes(np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 2)))
    _, pet = volumes(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3)))
    with pytest.raises(GridError, match="share one grid"):
        simulate_clicks(truth, pet, np.random.default_rng(0))


@settings(max_examples=60, deadline=None)
@given(
    truth=hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)),
    seed=st.integers(0, 99),
    n=st.integers(0, 12),
    offset=st.integers(0, 3),
)
def test_clicks_lie_where_they_belong(truth, seed, n, offset):
    pet = np.random.default_rng(seed).random(truth.shape)
    clicks = clicks_of(truth, pet, seed, n_tumor=n, n_background=n, max_offset=offset)
    assert len(clicks.tumor_xyz) == (n if truth.any() else 0)
    assert len(clicks.background_xyz) in {0, n}
    assert all(truth[z, y, x] for x, y, z in clicks.tumor_xyz)
    assert not any(truth[z, y, x] for x, y, z in clicks.background_xyz)


@pytest.mark.skipif(not PUBLIC_CLICKS.is_dir(), reason="the challenge's clicks are not here")
def test_the_counts_are_those_of_the_public_files():
    for path in sorted(PUBLIC_CLICKS.glob("*.json"))[:60]:
        names = [point["name"] for point in json.loads(path.read_text())["points"]]
        n_tumor = names.count("tumor")
        assert n_tumor in {0, 10}
        assert names == ["tumor"] * n_tumor + ["background"] * 10
