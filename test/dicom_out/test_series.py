# SPDX-License-Identifier: Apache-2.0
"""A series' slices in the mask: by position, whichever way the mask is stored, or refused in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword

from petlesion.dicom_out.series import SeriesError, SourceSeries
from petlesion.volume import Grid, Volume
from test.dicom_out.series import GRID, SIZE, TURNED, mask_and_pet, pet_slices


def test_slices_stand_by_position_whatever_their_order_and_number():
    heights = [one.ImagePositionPatient[2] for one in SourceSeries.of(pet_slices(downwards=True)).slices]
    assert heights == [100 + 3 * k for k in range(SIZE[2])]


def test_a_folder_is_read_and_what_is_no_pet_slice_left_aside(tmp_path):
    for one in pet_slices():
        one.save_as(tmp_path / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
    (tmp_path / "notes.txt").write_text("no DICOM")
    other = pet_slices()[0]
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    other.save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    assert len(SourceSeries.read(tmp_path).slices) == SIZE[2]


def test_a_series_is_found_by_its_uid_in_the_folders_of_a_study(tmp_path):
    uids = []
    for folder in ("a", "b/c"):
        slices = pet_slices()
        uids.append(str(slices[0].SeriesInstanceUID))
        (tmp_path / folder).mkdir(parents=True)
        for one in slices:
            one.save_as(tmp_path / folder / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
    found = SourceSeries.below(tmp_path, uids[1]).slices
    assert [str(one.SeriesInstanceUID) for one in found] == [uids[1]] * SIZE[2]
    with pytest.raises(SeriesError, match="found none"):
        SourceSeries.below(tmp_path, "1.2.3")


@pytest.mark.parametrize(
    "grid", [GRID, Grid(SIZE, (4.0, 5.0, 3.0), (1.0, 2.0, 3.0), TURNED)], ids=["straight", "turned"]
)
def test_a_voxel_is_found_in_its_pixel(grid):
    mask, _ = mask_and_pet((11, 2, 5), grid=grid)
    planes = SourceSeries.of(pet_slices(grid)).planes(mask)
    assert np.argwhere(planes).tolist() == [[5, 2, 11]]  # slice, row, column


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3), st.integers(0, 99))
def test_however_the_mask_is_stored_its_planes_are_the_same(axes, backwards, seed):
    values = np.random.default_rng(seed).integers(0, 3, SIZE).astype(np.uint16)  # x, y, z
    flips = tuple(i for i in range(3) if backwards[i])
    stored = np.flip(values.transpose(axes), flips)
    direction = np.zeros((3, 3))
    direction[list(axes), range(3)] = [-1.0 if back else 1.0 for back in backwards]
    corner = [0.0, 0.0, 0.0]
    for i, back in zip(axes, backwards, strict=True):
        corner[i] = float(SIZE[i] - 1 if back else 0)
    grid = Grid(
        stored.shape, tuple(GRID.spacing_mm[i] for i in axes), GRID.world_mm(tuple(corner)), tuple(direction.flat)
    )
    planes = SourceSeries.of(pet_slices()).planes(Volume(np.ascontiguousarray(stored.transpose(2, 1, 0)), grid))
    np.testing.assert_array_equal(planes, values.transpose(2, 1, 0))


@pytest.mark.parametrize(
    "grid",
    [
        Grid(SIZE, GRID.spacing_mm, (-18.0, 15.0, 100.0)),
        Grid((12, 10, 7), GRID.spacing_mm, GRID.origin_mm),
        Grid(SIZE, (4.0, 5.0, 3.3), GRID.origin_mm),
        Grid(SIZE, GRID.spacing_mm, (-20.0, 15.0, 103.0)),
    ],
    ids=["half a voxel aside", "a slice missing", "stretched", "a slice up"],
)
def test_a_mask_on_another_grid_is_refused(grid):
    mask, _ = mask_and_pet((1, 1, 1), grid=grid)
    with pytest.raises(SeriesError, match="on the grid of its PET series"):
        SourceSeries.of(pet_slices()).planes(mask)


def test_slices_that_are_nearly_equidistant_are_taken():
    slices = pet_slices()
    for one in slices[::3]:
        one.ImagePositionPatient = [*one.ImagePositionPatient[:2], one.ImagePositionPatient[2] + 0.3]
    mask, _ = mask_and_pet((3, 4, 5))
    assert np.argwhere(SourceSeries.of(slices).planes(mask)).tolist() == [[5, 4, 3]]


def test_two_series_are_refused_by_name():
    two = pet_slices() + pet_slices()
    with pytest.raises(SeriesError, match=str(two[0].SeriesInstanceUID)):
        SourceSeries.of(two)


def test_no_series_and_copies_are_refused():
    with pytest.raises(SeriesError, match="found none"):
        SourceSeries.of([])
    with pytest.raises(SeriesError, match="remove the copies"):
        SourceSeries.of([*pet_slices()] * 2)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SeriesError, match="missing"):
        SourceSeries.read(tmp_path / "missing")


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "ImagePositionPatient", "PixelSpacing"])
def test_a_slice_without_a_place_is_refused_with_the_tag(keyword):
    slices = pet_slices()
    delattr(slices[2], keyword)
    with pytest.raises(SeriesError, match=rf"has .+ \({tag_for_keyword(keyword) >> 16:04X},.*one lacks it"):
        SourceSeries.of(slices)


def test_what_is_completed_is_a_copy():
    series = SourceSeries.of(pet_slices())
    delattr(series.slices[0], "StudyID")
    assert series.completed().slices[0].StudyID == ""
    assert "StudyID" not in series.slices[0]
