# SPDX-License-Identifier: Apache-2.0
"""Rings along the edges of pixels: of the mask's area, filled to the mask again, and without holes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path

from petlesion.dicom_out.rings import rings


def area(ring):
    y, x = ring.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def filled(ring, shape):
    """The pixels whose centres a ring surrounds, by matplotlib's test of points in polygons."""
    centres = np.argwhere(np.ones(shape))
    return Path(np.vstack([ring, ring[:1]])).contains_points(centres).reshape(shape)


def test_an_empty_mask_has_no_ring():
    assert list(rings(np.zeros((2, 3), bool))) == []


def test_a_single_pixel_is_surrounded_at_its_edges():
    (ring,) = rings(np.array([[False, False], [False, True]]))
    assert sorted(map(tuple, ring.tolist())) == [(0.5, 0.5), (0.5, 1.5), (1.5, 0.5), (1.5, 1.5)]


def test_straight_edges_are_joined():
    (ring,) = rings(np.ones((3, 7), bool))
    assert len(ring) == 4


def test_a_part_that_touches_itself_at_a_corner_is_one_ring():
    inside = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    assert sum(area(ring) for ring in rings(inside)) == 7


def test_a_part_with_a_hole_is_cut_into_pieces_without():
    inside = np.ones((5, 5), bool)
    inside[2, 2] = False
    found = list(rings(inside))
    assert len(found) > 1
    assert sum(area(ring) for ring in found) == 24
    assert not any(filled(ring, inside.shape)[2, 2] for ring in found)


@settings(deadline=None, max_examples=100)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_rings_cover_the_mask_once_and_nothing_else(inside):
    found = list(rings(inside))
    covered = sum((filled(ring, inside.shape).astype(int) for ring in found), np.zeros(inside.shape, int))
    np.testing.assert_array_equal(covered, inside)
    assert sum(area(ring) for ring in found) == pytest.approx(inside.sum())
