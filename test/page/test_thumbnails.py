# SPDX-License-Identifier: Apache-2.0
"""Thumbnails: one for each lesion in the report's order, in the right slice, the right way round."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.lesions import LesionMask, measure_lesions
from petlesion.page.thumbnails import FIELD_MM, MARGIN_MM, PIXELS, thumbnails
from petlesion.volume import Grid, Volume

GRID = Grid((60, 50, 8), (4.0, 4.0, 5.0))


def volumes(*boxes, grid=GRID):
    pet, inside = np.ones(grid.shape_zyx, np.float32), np.zeros(grid.shape_zyx, bool)
    for z, y, x in boxes:
        pet[z, y, x], inside[z, y, x] = 8.0, True
    return Volume(pet, grid), LesionMask.of(inside, grid)


SMALL = (slice(1, 2), slice(10, 12), slice(10, 12))
LARGE = (slice(4, 7), slice(20, 26), slice(40, 48))


def test_no_lesion_has_no_thumbnail():
    pet, mask = volumes()
    assert thumbnails(pet, None, mask, 9) == ()


def test_they_come_in_the_order_of_the_report():
    pet, mask = volumes(SMALL, LARGE)
    large, small = thumbnails(pet, None, mask, 9)
    assert [lesion.n_voxels for lesion in measure_lesions(mask, pet)] == [3 * 6 * 8, 4]
    assert (large.number, small.number) == (1, 2)
    assert large.outline != small.outline


def test_only_as_many_as_asked_for_are_made():
    assert [one.number for one in thumbnails(volumes(SMALL, LARGE)[0], None, volumes(SMALL, LARGE)[1], 1)] == [1]


def dark_box(thumbnail):
    """Where the picture of PET alone is dark: first and last row and column."""
    rows, columns = np.nonzero(np.asarray(thumbnail.picture) < 100)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_the_lesion_is_in_the_middle_of_its_square():
    pet, mask = volumes(LARGE)
    (one,) = thumbnails(pet, None, mask, 1)
    top, bottom, left, right = dark_box(one)
    assert one.field_mm == FIELD_MM
    assert (top + bottom) / 2 == pytest.approx(PIXELS / 2, abs=4)
    assert (right - left) / PIXELS == pytest.approx(8 * 4 / FIELD_MM, abs=0.06)
    assert (bottom - top) / PIXELS == pytest.approx(6 * 4 / FIELD_MM, abs=0.06)


def test_a_large_lesion_gets_a_larger_field():
    pet, mask = volumes((slice(2, 3), slice(5, 10), slice(5, 55)))
    assert thumbnails(pet, None, mask, 1)[0].field_mm == 50 * 4 + 2 * MARGIN_MM


def test_at_the_images_edge_the_rest_is_air():
    pet, mask = volumes((slice(0, 1), slice(0, 2), slice(0, 2)))
    (one,) = thumbnails(pet, Volume(np.zeros(GRID.shape_zyx, np.float32), GRID), mask, 1)
    assert np.asarray(one.picture)[0, 0].tolist() == [0, 0, 0]
    assert np.asarray(one.picture)[-1, -1].sum() > 0


def test_how_the_voxels_are_stored_does_not_show():
    """The same body on a grid whose x and z run backwards."""
    pet, mask = volumes(SMALL, LARGE)
    grid = Grid(GRID.size_xyz, GRID.spacing_mm, (59 * 4.0, 0.0, 7 * 5.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
    turned = [Volume(np.ascontiguousarray(one.array_zyx[::-1, :, ::-1]), grid) for one in (pet, mask)]
    for plain, other in zip(thumbnails(pet, None, mask, 9), thumbnails(turned[0], None, turned[1], 9), strict=True):
        assert plain.outline == other.outline
        assert np.array_equal(np.asarray(plain.picture), np.asarray(other.picture))
