# SPDX-License-Identifier: Apache-2.0
"""Lesions by number, as in the report."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.dicom_out.segmentation import MOST_SEGMENTS, numbered
from petlesion.lesions import LesionMask, LesionMaskError, measure_lesions
from petlesion.volume import Grid, Volume


def test_lesions_are_numbered_as_in_the_report():
    grid = Grid((9, 7, 5), (1.0, 1.0, 1.0))
    mask = LesionMask.of(np.random.default_rng(3).random(grid.shape_zyx) < 0.12, grid)
    numbers = numbered(mask)
    lesions = measure_lesions(mask, Volume(np.ones(grid.shape_zyx, np.float32), grid))
    assert len(lesions) > 3
    for lesion in lesions:
        where = np.argwhere(numbers.array_zyx == lesion.number)
        assert len(where) == lesion.n_voxels
        assert where.mean(axis=0)[::-1] == pytest.approx(lesion.centroid_xyz)
    assert np.array_equal(numbers.array_zyx > 0, mask.array_zyx > 0)


def test_an_empty_mask_has_no_number():
    grid = Grid((2, 3, 4), (1.0, 1.0, 1.0))
    assert not numbered(LesionMask.of(np.zeros(grid.shape_zyx, bool), grid)).array_zyx.any()


def test_more_lesions_than_segments_can_be_numbered_are_refused():
    grid = Grid((2 * MOST_SEGMENTS + 2, 1, 1), (1.0, 1.0, 1.0))
    inside = np.zeros(grid.shape_zyx, bool)
    inside[..., ::2] = True
    with pytest.raises(LesionMaskError, match="remove small ones"):
        numbered(LesionMask.of(inside, grid))
