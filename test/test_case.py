# SPDX-License-Identifier: Apache-2.0
"""Admission: each rule of a case with the answer that it gets."""

import numpy as np
import pytest

from petlesion.case import AIR_HU, Admission, CaseError, PetCtCase, Tracer, admit, finite
from petlesion.clicks import Clicks, ParsedClicks
from petlesion.volume import Grid, Volume

GRID = Grid((10, 10, 10), (4.0, 4.0, 3.0), (-20.0, -20.0, 0.0))


def pet(value: float = 1.0, grid: Grid = GRID) -> Volume:
    """A PET of `value` with one voxel of nothing."""
    array = np.full(grid.shape_zyx, value, np.float32)
    array[0, 0, 0] = 0.0
    return Volume(array, grid)


def ct(grid: Grid = GRID) -> Volume:
    """Water with one voxel of air."""
    array = np.zeros(grid.shape_zyx, np.float32)
    array[0, 0, 0] = -1000.0
    return Volume(array, grid)


def with_values(volume: Volume, *values: float) -> Volume:
    """The volume with its first voxels replaced."""
    array = volume.array_zyx.copy()
    array.ravel()[: len(values)] = values
    return volume.with_array(array)


def warning_of(admission: Admission) -> str:
    (text,) = admission.warnings
    assert text.isprintable()
    return text


# --- admitted as it is ------------------------------------------------------------------------------------------------


def test_a_sound_case_is_admitted_without_a_word_and_without_a_copy():
    ct_hu, pet_suv = ct(), pet()
    admission = admit("a", ct_hu, pet_suv)
    assert admission.warnings == ()
    assert admission.case.name == "a"
    assert admission.case.grid is GRID
    assert not admission.case.clicks
    assert np.shares_memory(admission.case.pet_suv.array_zyx, pet_suv.array_zyx)
    assert np.shares_memory(admission.case.ct_hu.array_zyx, ct_hu.array_zyx)


@pytest.mark.parametrize("kind", ["i2", "f4", "f8"])
def test_every_number_type_becomes_float32(kind):
    case = admit("a", ct().with_array(ct().array_zyx.astype(kind)), pet().with_array(pet().array_zyx.astype(kind))).case
    assert case.ct_hu.array_zyx.dtype == case.pet_suv.array_zyx.dtype == np.float32


def test_noise_below_zero_is_suv():
    assert admit("a", ct(), with_values(pet(), *[-0.5] * 500)).warnings == ()


def test_clicks_are_brought_to_the_grid_with_their_warnings():
    points = ParsedClicks(((1.0, 2.0, 3.4),), ((99.0, 0.0, 0.0),), ("read so",))
    admission = admit("a", ct(), pet(), points)
    assert admission.case.clicks == Clicks(((1, 2, 3),))
    assert [text.split()[-1] for text in admission.warnings] == ["so", "rounded", "dropped"]


def test_clicks_in_mm():
    """x: (-16 + 20) / 4 = 1; y: (-12 + 20) / 4 = 2; z: 9 / 3 = 3."""
    admission = admit("a", ct(), pet(), ParsedClicks(((-16.0, -12.0, 9.0),)), points_unit="mm")
    assert admission == Admission(admission.case)
    assert admission.case.clicks == Clicks(((1, 2, 3),))


def test_clicks_as_values():
    assert admit("a", ct(), pet(), Clicks(((1, 2, 3),))).case.clicks == Clicks(((1, 2, 3),))


# --- NaN and infinity -------------------------------------------------------------------------------------------------


def test_nan_and_infinity_of_the_pet_become_zero():
    admission = admit("a", ct(), with_values(pet(), 0.0, np.nan, np.inf, -np.inf))
    assert warning_of(admission) == "3 voxels of the PET NaN or infinite: replaced by 0"
    assert admission.case.pet_suv.array_zyx.ravel()[:5].tolist() == [0, 0, 0, 0, 1]


def test_nan_and_infinity_of_the_ct_become_air():
    admission = admit("a", with_values(ct(), np.nan), pet())
    assert warning_of(admission) == "1 voxel of the CT NaN or infinite: replaced by -1024"
    assert admission.case.ct_hu.array_zyx[0, 0, 0] == AIR_HU


def test_nan_does_not_spread_when_the_ct_is_resampled():
    shifted = Grid((10, 10, 10), (4.0, 4.0, 3.0), (-19.0, -20.0, 0.0))
    assert np.isfinite(admit("a", with_values(ct(shifted), *[np.nan] * 9), pet()).case.ct_hu.array_zyx).all()


def test_what_float32_cannot_hold_is_infinite():
    volume = Volume(np.full((1, 1, 2), 1e300), Grid((2, 1, 1), (1.0, 1.0, 1.0)))
    assert finite(volume, 0.0, "PET")[1] == ("2 voxels of the PET NaN or infinite: replaced by 0",)


# --- SUV --------------------------------------------------------------------------------------------------------------


def test_bq_per_ml_is_refused_with_the_remedy():
    """Soft tissue of an FDG PET: 370 MBq in 75 kg, one hour later, are about 3400 Bq/ml at SUV 1."""
    with pytest.raises(CaseError, match=r"in SUV.*maximum 3400\), as in Bq/ml; convert it to SUV.*--assume-suv"):
        admit("a", ct(), pet(3400.0))


def test_assume_suv_overrules_and_rescales_nothing():
    admission = admit("a", ct(), pet(3400.0), assume_suv=True)
    assert admission.case.pet_suv.array_zyx.max() == 3400.0


def test_the_hottest_bladder_is_still_suv():
    """PSMA: SUV 300 in a tenth of a crop around the bladder, and one single voxel in a thousand of 2000."""
    assert admit("a", ct(), with_values(pet(), *[300.0] * 100, 2000.0)).warnings == ()


def test_two_voxels_in_a_thousand_above_suv_1000_are_bq():
    with pytest.raises(CaseError, match="Bq/ml"):
        admit("a", ct(), with_values(pet(), 1001.0, 1001.0))


def test_ct_and_pet_exchanged():
    swapped = ct().with_array(np.where(np.arange(1000).reshape(10, 10, 10) < 600, -1000.0, 40.0))
    with pytest.raises(CaseError, match=r"not exchanged.*--assume-suv"):
        admit("a", pet(), swapped)


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_a_pet_of_one_value_is_admitted_with_a_warning(value):
    admission = admit("a", ct(), pet().with_array(np.full((10, 10, 10), value)))
    assert warning_of(admission) == f"every voxel of the PET is {value:g}: nothing to be found in it"


def test_a_ct_without_anything_negative_is_admitted_with_a_warning():
    offset = ct().with_array(ct().array_zyx + 1024)
    assert "stored with an offset?" in warning_of(admit("a", offset, pet()))


# --- grids ------------------------------------------------------------------------------------------------------------


def test_a_ct_on_a_finer_grid_is_resampled_to_the_pet():
    """CT = z in mm, 1 mm slices; linear interpolation gives z at the PET's slices, and -1024 below the CT."""
    fine = Grid((41, 41, 26), (1.0, 1.0, 1.0), (-21.0, -21.0, 2.0))
    heights = np.broadcast_to(np.arange(2.0, 28.0)[:, None, None], fine.shape_zyx) - 100
    admission = admit("a", Volume(heights, fine), pet())
    result = admission.case.ct_hu
    assert result.grid is GRID
    assert result.array_zyx[0, 5, 5] == AIR_HU  # z = 0 mm, below the CT
    assert np.allclose(result.array_zyx[1:, 1:-1, 1:-1], (3.0 * np.arange(1, 10) - 100)[:, None, None])
    text = warning_of(admission)
    assert "another grid (41 x 41 x 26 voxels of 1 x 1 x 1 mm)" in text
    assert "than the PET (10 x 10 x 10 voxels of 4 x 4 x 3 mm): resampled" in text


def test_the_share_that_the_ct_covers_is_said():
    """The CT's lower half reaches over the PET's upper half."""
    half = Grid((10, 10, 10), (4.0, 4.0, 3.0), (-20.0, -20.0, 15.0))
    assert "of which it covers 50%" in warning_of(admit("a", ct(half), pet()))


def test_grids_apart_by_less_than_a_hundredth_of_a_mm_are_one():
    near = Grid(GRID.size_xyz, GRID.spacing_mm, (-20.004, -20.0, 0.0))
    admission = admit("a", ct(near), pet())
    assert admission.warnings == ()
    assert admission.case.ct_hu.grid is GRID


def test_turned_grids_are_resampled_too():
    turned = Grid(GRID.size_xyz, GRID.spacing_mm, (16.0, 16.0, 0.0), (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    ramp = Volume(np.arange(1000.0).reshape(10, 10, 10) - 500, turned)
    case = admit("a", ramp, pet()).case
    assert np.allclose(case.ct_hu.array_zyx, ramp.array_zyx[:, ::-1, ::-1])


@pytest.mark.parametrize(("axis", "spans"), [(0, "x -22..18"), (1, "y -22..18"), (2, r"z -2..28|z -1..29")])
@pytest.mark.parametrize("far", [-200.0, 200.0])
def test_no_overlap_is_refused_with_both_spans(axis, spans, far):
    origin = [*GRID.origin_mm]
    origin[axis] += far
    with pytest.raises(CaseError, match="must cover the same body") as caught:
        admit("a", ct(Grid(GRID.size_xyz, GRID.spacing_mm, tuple(origin))), pet())
    assert any(f"PET spans {span} mm, CT spans" in str(caught.value) for span in spans.split("|"))
    assert "check that both belong to one study" in str(caught.value)


# --- the value itself -------------------------------------------------------------------------------------------------


def test_the_constructor_only_checks():
    other = Grid((10, 10, 10), (4.0, 4.0, 3.0), (0.0, 0.0, 0.0))
    with pytest.raises(CaseError, match="share one grid"):
        PetCtCase("a", ct(other), pet())
    with pytest.raises(CaseError, match="every click"):
        PetCtCase("a", ct(), pet(), Clicks(((10, 0, 0),)))


def test_tracers_are_their_names():
    assert [str(tracer) for tracer in Tracer] == ["FDG", "PSMA"]
