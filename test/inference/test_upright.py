# SPDX-License-Identifier: Apache-2.0
"""Cases brought upright: no voxel moves in the patient, what is upright stays the very same, and the lesions agree."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from petlesion.case import PetCtCase, Tracer
from petlesion.clicks import Clicks
from petlesion.inference.upright import Turn
from petlesion.itk import to_image
from petlesion.limits import Limits
from petlesion.pipeline import segment
from petlesion.volume import Grid, Volume

PLAIN = np.eye(3)
AXES = [PLAIN[:, order] * signs for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
ARRAY = np.arange(24, dtype=np.float32).reshape(4, 3, 2)


def grid_of(direction, size=(2, 3, 4)):
    return Grid(size, (1.0, 1.5, 2.0), (5.0, -7.0, 11.0), tuple(float(v) for v in np.ravel(direction)))


def tilted(direction, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) @ direction


@pytest.mark.parametrize("direction", [PLAIN, PLAIN * (1, -1, 1), tilted(PLAIN, 0.3)])
def test_what_is_upright_stays_the_very_same(direction):
    grid = grid_of(direction)
    turn = Turn.upright(grid)
    case = PetCtCase("a", Volume(ARRAY, grid), Volume(ARRAY, grid), Clicks(((1, 2, 3),)))
    assert not turn
    assert turn.case(case) is case
    assert turn.array(ARRAY) is turn.back(ARRAY) is ARRAY


def test_a_body_upside_down_by_hand():
    """Voxels that run to the feet: slice 3 of 4, at 11 - 3 * 2 = 5 mm, becomes the first."""
    grid = grid_of(PLAIN * (1, 1, -1))
    turn = Turn.upright(grid)
    assert turn == Turn((0, 1, 2), (0,))
    assert turn.grid(grid) == Grid((2, 3, 4), (1.0, 1.5, 2.0), (5.0, -7.0, 5.0))
    assert np.array_equal(turn.array(ARRAY), ARRAY[::-1])
    assert turn.index((1, 2, 3), grid) == (1, 2, 0)


def test_a_turned_case_keeps_what_else_is_known_of_it():
    volume = Volume(ARRAY, grid_of(PLAIN * (1, 1, -1)))
    case = PetCtCase("a", volume, volume, Clicks(), Tracer.PSMA, ("a warning",), {"suv_rule": "a rule"})
    turned = Turn.upright(volume.grid).case(case)
    assert (turned.name, turned.recorded_tracer, turned.warnings) == ("a", Tracer.PSMA, ("a warning",))
    assert turned.origin == case.origin


@given(st.sampled_from(AXES), st.sampled_from([0.0, 0.2, -0.4]))
def test_it_is_itks_orientation(direction, angle):
    volume = Volume(ARRAY, grid_of(tilted(direction, angle)))
    turn = Turn.upright(volume.grid)
    if not turn:
        return
    theirs = sitk.DICOMOrient(to_image(volume), "LPS")
    grid = turn.grid(volume.grid)
    np.testing.assert_array_equal(turn.array(ARRAY), sitk.GetArrayFromImage(theirs))
    assert grid.size_xyz == theirs.GetSize()
    for ours, get in ((grid.spacing_mm, "Spacing"), (grid.origin_mm, "Origin"), (grid.direction, "Direction")):
        np.testing.assert_allclose(ours, getattr(theirs, f"Get{get}")(), atol=1e-12)


@given(st.sampled_from(AXES), st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 3)))
def test_a_voxel_keeps_its_place_its_value_and_its_way_back(direction, index):
    grid = grid_of(direction)
    turn = Turn.upright(grid)
    there = turn.index(index, grid)
    np.testing.assert_allclose(turn.grid(grid).world_mm(there), grid.world_mm(index), atol=1e-12)
    assert turn.array(ARRAY)[there[::-1]] == ARRAY[index[::-1]]
    assert np.array_equal(turn.back(turn.array(ARRAY)), ARRAY)


def test_a_case_turns_as_a_whole():
    grid = grid_of(PLAIN[:, [2, 0, 1]])
    case = PetCtCase("a", Volume(ARRAY - 9, grid), Volume(ARRAY, grid), Clicks(((1, 0, 3),), ((0, 2, 1), (0, 0, 0))))
    turned = Turn.upright(grid).case(case)
    assert turned.name == "a"
    assert turned.grid.direction == tuple(PLAIN.ravel())
    assert np.array_equal(turned.ct_hu.array_zyx, turned.pet_suv.array_zyx - 9)
    for given_xyz, turned_xyz in zip(
        case.clicks.tumor_xyz + case.clicks.background_xyz,
        turned.clicks.tumor_xyz + turned.clicks.background_xyz,
        strict=True,
    ):
        assert turned.grid.world_mm(turned_xyz) == pytest.approx(grid.world_mm(given_xyz))


# --- one patient, stored in many ways ---------------------------------------------------------------------------------

BRIEF = Limits(depth=1, folds=(0,), tile_step=1.0)


def stored_along(case, order, signs):
    """The same patient with the axes of the arrays in another order, some of them reversed: the inverse of a turn."""
    turn = Turn(order, tuple(axis for axis, sign in enumerate(signs) if sign < 0))
    return turn.case(case), turn


@pytest.fixture(scope="module")
def trunk(toy_case):
    """A part of the toy phantom, 32 x 28 x 24 voxels."""
    ct, pet = (volume.array_zyx[30:54, 16:44, 14:46] for volume in (toy_case.phantom.ct_hu, toy_case.phantom.pet_suv))
    grid = Grid((32, 28, 24), toy_case.phantom.pet_suv.grid.spacing_mm)
    return PetCtCase("toy", Volume(ct, grid), Volume(pet, grid), Clicks(((16, 14, 12),), ((3, 4, 5),)))


@pytest.fixture(scope="module")
def expected(trunk, toy_store):
    return segment(trunk, toy_store, BRIEF)


STORED = [
    ((0, 1, 2), (-1, 1, -1)),  # from head to foot, left and right exchanged
    ((1, 0, 2), (1, -1, 1)),  # coronal slices
    ((2, 0, 1), (-1, 1, -1)),  # sagittal slices
]


@pytest.mark.parametrize(("order", "signs"), STORED)
def test_copies_of_a_patient_have_the_same_lesions_in_the_same_place(trunk, expected, toy_store, order, signs):
    copy, turn = stored_along(trunk, order, signs)
    found = segment(copy, toy_store, BRIEF)
    assert found.mask.grid == copy.grid
    assert np.array_equal(turn.back(found.mask.array_zyx), expected.mask.array_zyx)
    assert expected.mask.array_zyx.any()
    theirs = sorted(lesion.centroid_mm for lesion in expected.lesions)
    np.testing.assert_allclose(sorted(lesion.centroid_mm for lesion in found.lesions), theirs, atol=1e-9)


def test_an_oblique_copy_has_the_same_mask(trunk, expected, toy_store):
    """Direction cosines alone: the array is the same, so the networks see the same."""
    grid = Grid(trunk.grid.size_xyz, trunk.grid.spacing_mm, direction=tuple(tilted(PLAIN, 0.3).ravel().tolist()))
    tilt = PetCtCase("toy", Volume(trunk.ct_hu.array_zyx, grid), Volume(trunk.pet_suv.array_zyx, grid), trunk.clicks)
    assert np.array_equal(segment(tilt, toy_store, BRIEF).mask.array_zyx, expected.mask.array_zyx)
