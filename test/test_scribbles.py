# SPDX-License-Identifier: Apache-2.0
"""Scribbles: on the error, in its largest slice, connected, never outside it, none where there is no error."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from petlesion.clicks import Clicks
from petlesion.scribbles import (
    KINDS,
    MAX_ROUNDS,
    ScribbleError,
    corrective_scribble,
    draw_scribble,
    interact,
    scribble_steps,
)

EMPTY = np.zeros((3, 6, 7), bool)


def rng(seed=0):
    return np.random.default_rng(seed)


def drawing(*rows):
    """One axial slice, "#" inside."""
    return np.array([[[pixel == "#" for pixel in row] for row in rows]])


def boxes(*corners, shape=(3, 6, 30)):
    """A mask of blocks (z, y, x slices)."""
    mask = np.zeros(shape, bool)
    for corner in corners:
        mask[corner] = True
    return mask


def voxels(points):
    return [(z, y, x) for x, y, z in points]


def is_connected(points):
    return all(max(abs(a - b) for a, b in zip(one, two, strict=True)) == 1 for one, two in pairwise(points))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_region_has_no_scribble(kind):
    assert draw_scribble(EMPTY, kind, rng()) == ()
    assert corrective_scribble(EMPTY, EMPTY, kind, rng()) == Clicks()


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_mask_has_no_scribble(kind):
    truth = boxes(np.s_[1, 1:4, 2:9])
    assert scribble_steps(truth, truth, kind, rng()) == (Clicks(),) * (MAX_ROUNDS + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_one_voxel_is_its_own_scribble(kind):
    truth = boxes(np.s_[2, 3, 4])
    assert corrective_scribble(truth, np.zeros_like(truth), kind, rng()) == Clicks(((4, 3, 2),), ())


def test_a_centre_line_runs_along_the_middle_and_ends_before_the_ends():
    points = draw_scribble(boxes(np.s_[1, 1:4, 2:22]), "centreline", rng())  # rows 1 to 3, 20 columns
    inner = [(x, y) for x, y, _ in points if 4 <= x < 20]
    assert {y for _, y in inner} == {2}
    assert {x for x, _ in inner} == set(range(4, 20))
    assert len(points) == 20 - 2 * 2  # a tenth off each end


def test_a_centre_line_follows_a_bend():
    corner = drawing(
        "###........",
        "###........",
        "###........",
        "###........",
        "###........",
        "###########",
        "###########",
        "###########",
    )
    points = draw_scribble(corner, "centreline", rng())
    assert {(1, 3, 0), (6, 6, 0)} <= set(points)
    assert is_connected(points)


def test_a_boundary_scribble_is_a_fifth_of_the_boundary():
    block = boxes(np.s_[0, 1:11, 1:11], shape=(1, 12, 12))  # ten by ten: 36 pixels at its boundary
    points = draw_scribble(block, "boundary", rng())
    assert all(1 in {x, y} or 10 in {x, y} for x, y, _ in points)
    assert 36 / 5 / 2 <= len(points) <= 1 + 36 / 5
    assert is_connected(points)


def test_a_random_scribble_depends_on_the_seed():
    block = np.ones((1, 20, 20), bool)
    found = {draw_scribble(block, "random", rng(seed)) for seed in range(5)}
    assert len(found) == 5
    assert draw_scribble(block, "random", rng(3)) == draw_scribble(block, "random", rng(3))


def test_the_slice_is_the_largest_one_and_the_piece_its_largest():
    region = boxes(np.s_[0, 0, 0:5], np.s_[1, 0, 0:3], np.s_[1, 2, 0:4], np.s_[2, 0:2, 0:3])  # 5, 3 + 4 and 6 voxels
    for kind in KINDS:
        assert {(z, y) for z, y, _ in voxels(draw_scribble(region, kind, rng()))} == {(1, 2)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missed_gets_tumour_and_what_is_too_much_background(kind):
    lesion, surplus = np.s_[1, 1:4, 2:9], np.s_[1, 1:4, 12:28]
    missed = corrective_scribble(boxes(lesion), boxes(), kind, rng())
    assert (len(missed.tumor_xyz) > 0, missed.background_xyz) == (True, ())
    too_much = corrective_scribble(boxes(lesion), boxes(lesion, surplus), kind, rng())
    assert too_much.tumor_xyz == ()
    assert all(boxes(surplus)[voxel] for voxel in voxels(too_much.background_xyz))


def test_the_larger_error_is_answered_and_of_equals_the_missed_one():
    lesion, surplus = np.s_[1, 1:4, 2:9], np.s_[1, 1:4, 12:20]
    assert corrective_scribble(boxes(lesion), boxes(surplus), "random", rng()).background_xyz
    equal = np.s_[1, 1:4, 12:19]
    assert corrective_scribble(boxes(lesion), boxes(equal), "random", rng()).tumor_xyz


def test_errors_may_be_drawn_alike():
    lesion, surplus = np.s_[1, 1:4, 2:9], np.s_[0, 0, 20]
    sides = [
        bool(corrective_scribble(boxes(lesion), boxes(surplus), "random", rng(seed), choice="drawn").tumor_xyz)
        for seed in range(20)
    ]
    assert 0 < sum(sides) < 20


def test_steps_answer_the_errors_one_after_the_other():
    large, small, surplus = np.s_[1, 1:4, 2:9], np.s_[2, 0:2, 14:16], np.s_[0, 0:5, 20:22]  # 21, 4 and 10 voxels
    steps = scribble_steps(boxes(large, small), boxes(surplus), "centreline", rng(), rounds=5)
    assert steps[0] == Clicks()
    assert [bool(len(after.tumor_xyz) > len(before.tumor_xyz)) for before, after in pairwise(steps[:4])] == [1, 0, 1]
    assert len(steps[2].background_xyz) > 0
    assert steps[3] == steps[4] == steps[5]  # three errors, five rounds


def test_an_interaction_sees_each_mask_and_ends_when_it_is_perfect():
    truth = boxes(np.s_[1, 1:4, 2:9], np.s_[2, 0:2, 14:16])
    asked = []

    def segment(clicks):
        """Finds the large lesion from one point, the small one from another in its slice."""
        asked.append(clicks)
        found = {z for _, _, z in clicks.tumor_xyz}
        return truth & np.isin(np.arange(3), sorted(found))[:, None, None]

    states = list(interact(truth, segment, "centreline", rng()))
    assert len(states) == MAX_ROUNDS + 1
    assert [int(state.mask_zyx.sum()) for state in states] == [0, 21, 25, 25, 25, 25]
    assert len(asked) == 3  # a perfect mask is not segmented again
    assert states[-1] is states[2]


@pytest.mark.parametrize(
    ("truth", "mask"), [(EMPTY, EMPTY[:2]), (EMPTY, EMPTY.astype(np.uint8)), (EMPTY.astype(float), EMPTY)]
)
def test_other_shapes_and_types_are_refused(truth, mask):
    with pytest.raises(ScribbleError, match="boolean on one grid"):
        corrective_scribble(truth, mask, "random", rng())


def test_unknown_choices_are_refused():
    with pytest.raises(ScribbleError, match="centreline, random, boundary"):
        corrective_scribble(EMPTY, EMPTY, "spiral", rng())
    with pytest.raises(ScribbleError, match="largest, drawn"):
        corrective_scribble(EMPTY, EMPTY, "random", rng(), choice="smallest")


@settings(max_examples=80, deadline=None)
@given(
    region=hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8)),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 99),
)
def test_a_scribble_is_a_connected_line_inside_one_slice_of_its_region(region, kind, seed):
    points = draw_scribble(region, kind, rng(seed))
    assert bool(points) == region.any()
    assert all(region[voxel] for voxel in voxels(points))
    assert len({z for _, _, z in points}) <= 1
    assert len(set(points)) == len(points)
    assert is_connected(points)
    if points:
        areas = region.sum(axis=(1, 2))
        assert areas[points[0][2]] == areas.max()


@settings(max_examples=60, deadline=None)
@given(
    masks=hnp.array_shapes(min_dims=3, max_dims=3, max_side=6).flatmap(
        lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
    ),
    kind=st.sampled_from(KINDS),
    choice=st.sampled_from(["largest", "drawn"]),
    seed=st.integers(0, 99),
)
def test_scribbles_lie_on_errors_of_their_kind_and_the_seed_decides(masks, kind, choice, seed):
    truth, mask = masks
    steps = scribble_steps(truth, mask, kind, rng(seed), choice=choice)
    assert len(steps) == MAX_ROUNDS + 1
    assert all((truth & ~mask)[voxel] for voxel in voxels(steps[-1].tumor_xyz))
    assert all((mask & ~truth)[voxel] for voxel in voxels(steps[-1].background_xyz))
    assert bool(steps[-1]) == (truth != mask).any()
    assert steps == scribble_steps(truth, mask, kind, rng(seed), choice=choice)
