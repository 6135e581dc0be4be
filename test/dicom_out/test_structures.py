# SPDX-License-Identifier: Apache-2.0
"""The structure set: each lesion's contours on its slices, in mm; filled again they are the mask."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path

from petlesion.dicom_out.author import Author, tracked
from petlesion.dicom_out.segmentation import numbered
from petlesion.dicom_out.series import SourceSeries
from petlesion.dicom_out.structures import structure_set
from petlesion.volume import Grid
from test.dicom_out.series import GRID, SIZE, TURNED, mask_and_pet, pet_slices

RING = tuple((x, y, 3) for x in (4, 5, 6) for y in (4, 5, 6) if (x, y) != (5, 5))
VOXELS = (*RING, (5, 5, 4), (10, 1, 7))


def structures(grid, *voxels):
    mask, _ = mask_and_pet(*voxels, grid=grid)
    series = SourceSeries.of(pet_slices(grid))
    numbers = series.planes(numbered(mask))
    return structure_set(series, numbers, tracked(int(numbers.max())), Author()), series


def voxels_in(contour, grid):
    """Indices (x, y, z) of the voxels whose centres a contour surrounds."""
    points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
    indices = np.array([grid.index_of(tuple(point)) for point in points])
    (z,) = set(np.round(indices[:, 2], 3).tolist())
    centres = np.argwhere(np.ones(grid.size_xyz[:2]))
    inside = Path(np.vstack([indices[:, :2], indices[:1, :2]])).contains_points(centres)
    return [(x, y, round(z)) for x, y in centres[inside].tolist()]


@pytest.mark.parametrize(
    "grid", [GRID, Grid(SIZE, (4.0, 5.0, 3.0), (1.0, 2.0, 3.0), TURNED)], ids=["straight", "turned"]
)
def test_filled_again_the_contours_are_the_mask(grid):
    made, _ = structures(grid, *VOXELS)
    large, small = made.ROIContourSequence
    found = [voxel for contour in large.ContourSequence for voxel in voxels_in(contour, grid)]
    assert sorted(found) == sorted(VOXELS[:-1])
    assert [voxels_in(contour, grid) for contour in small.ContourSequence] == [[VOXELS[-1]]]


def test_each_contour_names_the_slice_that_it_lies_on():
    made, series = structures(GRID, *VOXELS)
    (contour,) = made.ROIContourSequence[1].ContourSequence
    assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == series.slices[7].SOPInstanceUID
    assert {float(z) for z in contour.ContourData[2::3]} == {float(series.slices[7].ImagePositionPatient[2])}


def test_regions_are_named_and_counted_alike():
    made, _ = structures(GRID, *VOXELS)
    assert [region.ROIName for region in made.StructureSetROISequence] == ["Lesion 1", "Lesion 2"]
    for sequence in (made.ROIContourSequence, made.RTROIObservationsSequence):
        assert [one.ReferencedROINumber for one in sequence] == [1, 2]


def test_an_empty_mask_has_one_region_without_contours():
    made, _ = structures(GRID)
    assert [region.ROIName for region in made.StructureSetROISequence] == ["No lesion"]
    assert ["ContourSequence" in region for region in made.ROIContourSequence] == [False]
