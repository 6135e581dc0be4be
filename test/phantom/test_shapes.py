# SPDX-License-Identifier: Apache-2.0
"""Shapes are negative inside, zero on the surface, and lie in their boxes; noise has unit variance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.phantom.shapes import Bands, Chain, Ellipsoid, SmoothNoise, Trunk, rotation

SHAPES = [
    Ellipsoid((1, 2, 3), (10, 20, 15), (0.3, -0.4, 1.0)),
    Chain(((0, 0, 0), (10, 0, 20), (10, 25, 20)), (3, 5, 2)),
    Trunk(((-30, 0, 0, 10, 5), (0, 2, 1, 12, 8), (20, 0, 0, 5, 5)), power=2.5),
    Bands(Ellipsoid((0, 0, 0), (20, 25, 30)), 4, 10, 5),
]


def distance_at(shape, *point):
    x, y, z = (np.full((1, 1, 1), p, dtype=np.float32) for p in point)
    return float(shape.distance_mm(x, y, z)[0, 0, 0])


def test_a_sphere_is_exact():
    ball = Ellipsoid((1, 0, 0), (5, 5, 5))
    assert distance_at(ball, 1, 0, 0) == pytest.approx(-5)
    assert distance_at(ball, 6, 0, 0) == pytest.approx(0, abs=1e-5)
    assert distance_at(ball, 1, 8, 0) == pytest.approx(3)


def test_an_ellipsoid_turns_with_its_axes():
    quarter = Ellipsoid((0, 0, 0), (10, 2, 2), (0, 0, np.pi / 2))
    assert distance_at(quarter, 0, 9, 0) < 0 < distance_at(quarter, 9, 0, 0)


def test_a_chain_is_round_cones():
    cone = Chain(((0, 0, 0), (0, 0, 10)), (2, 4))
    assert distance_at(cone, 3, 0, 5) == pytest.approx(0, abs=1e-5)  # half way, the radius is 3
    assert distance_at(cone, 0, 0, -3) == pytest.approx(1)
    assert [link.radii_mm for link in Chain(((0, 0, 0),) * 3, (1, 2, 3)).links()] == [(1, 2), (2, 3)]


def test_a_trunk_ends_without_a_skin():
    trunk = Trunk(((0, 0, 0, 10, 10), (10, 0, 0, 10, 10)))
    assert distance_at(trunk, 0, 0, 0.1) == pytest.approx(-10)
    assert distance_at(trunk, 0, 0, -0.1) > 100


def test_bands_are_parts_of_their_shell():
    ribs = SHAPES[3]
    heights = np.linspace(-29, 29, 400, dtype=np.float32)[:, None, None]
    wall = ribs.distance_mm(np.full_like(heights, 19), np.zeros_like(heights), heights) < 0
    assert np.count_nonzero(np.diff(wall[:, 0, 0].astype(int)) == 1) >= 2
    assert distance_at(ribs, 0, 0, 0) > 0


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_a_box_holds_its_shape(shape):
    low, high = shape.box_mm()
    z, y, x = np.meshgrid(*[np.arange(-45, 46, dtype=np.float32)] * 3, indexing="ij")
    inside = shape.distance_mm(x, y, z) < 0
    assert inside.any()
    for values, a, b in zip((x, y, z), low, high, strict=True):
        assert a <= values[inside].min()
        assert values[inside].max() <= b


@given(st.tuples(*[st.floats(-4, 4)] * 3))
def test_rotations_keep_lengths_and_hands(turn):
    matrix = rotation(turn)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_noise_is_smooth_and_of_unit_variance():
    axis = np.arange(0, 200, 2.0)
    values = SmoothNoise((200, 200, 200), 10.0, np.random.default_rng(0)).at(axis, axis, axis)
    assert values.dtype == np.float32
    assert values.std() == pytest.approx(1, abs=0.05)
    assert values.mean() == pytest.approx(0, abs=0.05)
    assert np.abs(np.diff(values, axis=0)).max() < 1.5


@given(st.integers(0, 30), st.integers(1, 10))
def test_noise_in_a_box_is_the_box_of_the_noise(start, size):
    noise = SmoothNoise((40, 40, 40), 7, np.random.default_rng(1))
    axis, part = np.arange(40.0), slice(start, start + size)
    whole = noise.at(axis, axis, axis)
    assert noise.at(axis[part], axis, axis[part]) == pytest.approx(whole[part, :, part], abs=1e-5)
