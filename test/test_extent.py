# SPDX-License-Identifier: Apache-2.0
"""Diameters and distances: by hand, as the IBSI manual publishes them, and equal to a loop over everything."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.components import Components
from petlesion.extent import FEW, farthest_mm, longest_diameters_mm


def diameters(inside, spacing=(1.0, 1.0, 1.0)):
    return longest_diameters_mm(Components.of(np.asarray(inside, bool), connectivity=26), spacing)


def test_no_component_has_no_diameter():
    assert diameters(np.zeros((2, 3, 4))).tolist() == []


def test_a_single_voxel_is_as_long_as_its_longest_edge():
    assert diameters([[[1]]], (5.0, 2.0, 3.0)).tolist() == [5.0]


def test_a_row_of_voxels_is_as_long_as_the_row():
    assert diameters(np.ones((1, 1, 4)), (1.0, 1.0, 2.5)).tolist() == [10.0]


def test_a_block_is_measured_from_the_centre_of_a_face_to_that_of_another():
    """5 x 4 x 4 voxels of 2 mm, the IBSI digital phantom's box: its maximum 3D diameter is published as 13.1 mm."""
    (length,) = diameters(np.ones((4, 4, 5)), (2.0, 2.0, 2.0))
    assert length == pytest.approx(math.sqrt(10**2 + 6**2 + 6**2))
    assert round(length, 1) == 13.1


def test_each_component_has_its_own():
    inside = np.zeros((3, 3, 9))
    inside[0, 0, :2] = inside[2, 2, 4:] = 1
    assert diameters(inside).tolist() == [2.0, 5.0]


def brute(inside, spacing):
    """Every face of every voxel, inner ones too, against every other."""
    shifts = [half * np.eye(3)[axis] for axis, half in product(range(3), (-0.5, 0.5))]
    points = np.concatenate([(np.argwhere(inside) + shift) * spacing for shift in shifts])
    return max(np.linalg.norm(points - one, axis=1).max() for one in points)


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.tuples(*[st.floats(0.5, 6.0)] * 3),
    st.integers(0, 999),
    st.floats(0.3, 0.95),
)
def test_diameters_are_those_of_a_loop(shape, spacing, seed, density):
    inside = np.random.default_rng(seed).random(shape) < density
    parts = Components.of(inside, connectivity=26)
    where = np.argwhere(inside)
    expected = []
    for k in range(parts.count):
        one = np.zeros(shape, bool)
        one[tuple(where[parts.labels == k].T)] = True
        expected.append(brute(one, spacing))
    np.testing.assert_allclose(longest_diameters_mm(parts, spacing), expected, rtol=1e-12)


def test_of_many_points_only_the_hull_is_measured_and_that_is_enough():
    points = np.random.default_rng(0).normal(size=(2 * FEW, 3))
    expected = max(np.linalg.norm(points - one, axis=1).max() for one in points)
    assert farthest_mm(points) == pytest.approx(expected, rel=1e-12)


def test_many_points_in_one_plane_have_no_hull_and_are_measured_all():
    points = np.random.default_rng(0).normal(size=(2 * FEW, 3)) * (1, 1, 0)
    expected = max(np.linalg.norm(points - one, axis=1).max() for one in points)
    assert farthest_mm(points) == pytest.approx(expected, rel=1e-12)
