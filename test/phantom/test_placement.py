# SPDX-License-Identifier: Apache-2.0
"""Where a synthetic body lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.phantom.placement import Level, Placement, PlacementError


def test_a_placement_needs_two_rising_levels():
    level = Level(0.0, 0.0, (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(PlacementError, match="rising"):
        Placement((level,))
    with pytest.raises(PlacementError, match="rising"):
        Placement((level, Level(-10.0, 10.0, (0.0, 0.0), (1.0, 1.0))))


def test_upright_is_a_shift_and_one_scale():
    placed = Placement.upright((10.0, 20.0, 30.0), 2.0)
    x, y, z = placed.to_body(*(np.array([v], np.float32) for v in (14.0, 26.0, -70.0)))
    assert (float(x[0]), float(y[0]), float(z[0])) == (2.0, 3.0, -50.0)


def test_between_levels_centre_and_scale_are_linear():
    low, high = Level(0.0, -100.0, (0.0, 0.0), (1.0, 1.0)), Level(200.0, 0.0, (10.0, 0.0), (2.0, 1.0))
    x, y, z = Placement((low, high)).to_body(*(np.array([v], np.float32) for v in (8.0, 4.0, 100.0)))
    assert float(z[0]) == -50  # half way
    assert float(x[0]) == 2  # (8 - 5) / 1.5
    assert float(y[0]) == 4


def test_heights_may_be_given_once_for_a_whole_slice():
    low, high = Level(0.0, -100.0, (0.0, 3.0), (1.0, 1.0)), Level(200.0, 0.0, (10.0, 0.0), (2.0, 1.5))
    grid = np.meshgrid(np.arange(3.0), np.arange(2.0), np.arange(4.0), indexing="ij")
    full = Placement((low, high)).to_body(grid[2], grid[1], grid[0])
    thin = Placement((low, high)).to_body(grid[2][:1, :1], grid[1][:1, :, :1], grid[0][:, :1, :1])
    for one, other in zip(full, thin, strict=True):
        np.testing.assert_allclose(one, np.broadcast_to(other, one.shape), rtol=1e-6)


levels = st.lists(
    st.tuples(st.floats(5, 300), st.floats(5, 300), st.floats(-50, 50), st.floats(0.5, 2.0)), min_size=2, max_size=5
)


@given(levels, st.floats(-400, 400), st.floats(10, 300), st.floats(-200, 200))
def test_a_box_of_the_body_holds_all_of_its_points_in_the_world(steps, bottom, height, left):
    world = np.cumsum([s[0] for s in steps])
    body = np.cumsum([s[1] for s in steps])
    placed = Placement(
        tuple(Level(w, b, (s[2], -s[2]), (s[3], 1.0)) for w, b, s in zip(world, body, steps, strict=True))
    )
    box = ((left, -10.0, bottom), (left + 40.0, 10.0, bottom + height))
    low, high = placed.world_box(box)
    rng = np.random.default_rng(0)
    points = rng.uniform(np.array(low) - 30, np.array(high) + 30, (200, 3))
    inside = np.array(placed.to_body(*points.T)).T
    held = ((inside >= np.array(box[0]) + 1e-2) & (inside <= np.array(box[1]) - 1e-2)).all(axis=1)
    assert ((points[held] >= low) & (points[held] <= high)).all()
