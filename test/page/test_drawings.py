# SPDX-License-Identifier: Apache-2.0
"""What is drawn of a case: both views without the air around the body, the rotating view, each lesion."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.page.drawings import LARGEST_VIEW, draw
from petlesion.page.turntable import FRAMES
from petlesion.volume import Grid, GridError, Volume


def test_a_case_has_two_views_half_a_turn_and_a_thumbnail_for_each_lesion(reported):
    drawings = reported.drawings
    assert [view.title for view in drawings.views] == ["coronal", "sagittal"]
    assert len(drawings.frames) == FRAMES
    assert [one.number for one in drawings.thumbnails] == [lesion.number for lesion in reported.lesions]
    assert drawings.on_ct


def test_both_views_are_as_high_and_none_too_large(reported):
    sizes = [view.picture.size for view in reported.drawings.views]
    assert len({height for _, height in sizes}) == 1
    assert max(max(size) for size in sizes) == LARGEST_VIEW


def test_the_air_around_the_body_is_cut_away():
    grid = Grid((100, 100, 20), (4.0, 4.0, 4.0))
    pet = np.zeros(grid.shape_zyx, np.float32)
    pet[:, 40:60, 30:70] = 1.0
    coronal, sagittal = draw(Volume(pet, grid), None, Volume(np.zeros(grid.shape_zyx, np.uint8), grid)).views
    wide, narrow = (view.picture.size[0] / view.picture.size[1] for view in (coronal, sagittal))
    assert wide == pytest.approx((40 + 4) / 20, abs=0.05)  # a margin of two voxels on either side
    assert narrow == pytest.approx((20 + 4) / 20, abs=0.05)


def test_without_lesions_and_without_uptake_there_is_still_a_picture():
    grid = Grid((4, 5, 6), (4.0, 4.0, 4.0))
    air, none = Volume(np.zeros(grid.shape_zyx, np.float32), grid), Volume(np.zeros(grid.shape_zyx, np.uint8), grid)
    drawings = draw(air, None, none)
    assert drawings.thumbnails == ()
    assert [view.outline for view in drawings.views] == ["", ""]


def test_a_mask_on_another_grid_is_refused():
    grid, other = Grid((4, 5, 6), (4.0, 4.0, 4.0)), Grid((4, 5, 6), (4.0, 4.0, 5.0))
    with pytest.raises(GridError, match="on the PET's grid"):
        draw(Volume(np.ones((6, 5, 4)), grid), None, Volume(np.ones((6, 5, 4)), other))


def test_a_number_stands_where_its_lesion_is():
    """One voxel (x, y, z) = (12, 30, 6) of a body that spans x 10..19, y 20..39 and all 8 slices."""
    grid = Grid((40, 60, 8), (4.0, 4.0, 4.0))
    pet, mask = np.zeros(grid.shape_zyx, np.float32), np.zeros(grid.shape_zyx, np.uint8)
    pet[:, 20:40, 10:20], mask[6, 30, 12] = 1.0, 1
    coronal, sagittal = draw(Volume(pet, grid), None, Volume(mask, grid)).views
    for view, column, columns in ((coronal, 12 - 8, 10 + 4), (sagittal, 30 - 18, 20 + 4)):  # with margins of 2 voxels
        width, height = view.picture.size
        ((number, x, y),) = view.marks
        assert number == 1
        assert x / width == pytest.approx((column + 0.5) / columns)
        assert y / height == pytest.approx(1 - 6.5 / 8)
