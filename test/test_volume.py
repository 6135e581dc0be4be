# SPDX-License-Identifier: Apache-2.0
"""Grids: where voxels lie, held against SimpleITK and against arithmetic."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.volume import IDENTITY, Grid, GridError, Volume

ROUND_Z = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)  # a quarter turn: index x runs along world y, y along -x


def oblique(a: float, b: float, c: float, *, mirrored: bool = False) -> tuple[float, ...]:
    """Axes turned about z, y and x by angles in radians; the last one flipped where `mirrored`."""

    def turn(angle: float, first: int, second: int) -> np.ndarray:
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = math.cos(angle)
        matrix[second, first] = math.sin(angle)
        matrix[first, second] = -math.sin(angle)
        return matrix

    axes = turn(a, 0, 1) @ turn(b, 0, 2) @ turn(c, 1, 2) @ np.diag([1, 1, -1 if mirrored else 1])
    return tuple(axes.ravel().tolist())


angles = st.floats(-math.pi, math.pi)
directions = st.builds(lambda a, b, c, m: oblique(a, b, c, mirrored=m), angles, angles, angles, st.booleans())
triples = lambda low, high: st.tuples(*[st.floats(low, high)] * 3)  # noqa: E731
grids = st.builds(Grid, st.tuples(*[st.integers(1, 500)] * 3), triples(0.3, 8.0), triples(-2000, 2000), directions)


def test_one_voxel_is_a_grid():
    grid = Grid((1, 1, 1), (2.0, 2.0, 2.0))
    assert (grid.shape_zyx, grid.n_voxels, grid.voxel_ml) == ((1, 1, 1), 1, 0.008)
    assert grid.bounds_mm() == ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


def test_sizes_are_xyz_and_shapes_zyx():
    grid = Grid((4, 3, 2), (1.0, 2.0, 5.0))
    assert grid.shape_zyx == (2, 3, 4)
    assert grid.spacing_zyx_mm == (5.0, 2.0, 1.0)
    assert grid.n_voxels == 24
    assert grid.voxel_ml == pytest.approx(0.01)  # 1 x 2 x 5 mm = 10 mm^3


def test_world_positions_by_hand():
    grid = Grid((4, 3, 2), (1.0, 2.0, 5.0), (10.0, 20.0, 30.0), ROUND_Z)
    assert grid.world_mm((0, 0, 0)) == (10.0, 20.0, 30.0)
    assert grid.world_mm((3, 0, 0)) == (10.0, 23.0, 30.0)  # x runs along world y
    assert grid.world_mm((0, 2, 1)) == (6.0, 20.0, 35.0)  # y runs along world -x
    assert grid.bounds_mm() == ((5.0, 19.5, 27.5), (11.0, 23.5, 37.5))


@settings(deadline=None)
@given(grids, triples(-50, 550))
def test_index_of_undoes_world_mm(grid, index):
    assert grid.index_of(grid.world_mm(index)) == pytest.approx(index, abs=1e-6)


@settings(deadline=None)
@given(grids, triples(-50, 550))
def test_world_mm_is_that_of_simpleitk(grid, index):
    image = sitk.Image(grid.size_xyz, sitk.sitkUInt8) if grid.n_voxels < 1000 else sitk.Image((1, 1, 1), sitk.sitkUInt8)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    world = image.TransformContinuousIndexToPhysicalPoint(index)
    assert grid.world_mm(index) == pytest.approx(world, abs=1e-6)
    index_of_itk = image.TransformPhysicalPointToContinuousIndex(world)
    if all(map(math.isfinite, index_of_itk)):  # ITK's inverse of some mirrored rotations is NaN; ours is not
        assert grid.index_of(world) == pytest.approx(index_of_itk, abs=1e-6)
    assert all(map(math.isfinite, grid.index_of(world)))


@settings(deadline=None)
@given(grids, st.tuples(*[st.floats(0, 1)] * 3))
def test_bounds_hold_every_voxel(grid, fraction):
    index = tuple(f * (n - 1) for f, n in zip(fraction, grid.size_xyz, strict=True))
    low, high = grid.bounds_mm()
    world = grid.world_mm(index)
    assert all(a - 1e-6 <= w <= b + 1e-6 for a, w, b in zip(low, world, high, strict=True))


@settings(deadline=None)
@given(grids)
def test_a_grid_is_the_same_as_itself_and_not_as_a_shifted_one(grid):
    x, y, z = grid.origin_mm
    assert grid.same_as(grid)
    assert grid.same_as(Grid(grid.size_xyz, grid.spacing_mm, (x + 0.005, y, z), grid.direction))
    assert not grid.same_as(Grid(grid.size_xyz, grid.spacing_mm, (x + 0.02, y, z), grid.direction))


def test_a_small_error_of_spacing_counts_where_it_adds_up():
    """1e-4 mm a step are 0.0009 mm over 9 steps, but 0.04 mm over 399: the far corner decides."""
    short, long = Grid((10, 1, 1), (2.0, 2.0, 2.0)), Grid((400, 1, 1), (2.0, 2.0, 2.0))
    assert short.same_as(Grid((10, 1, 1), (2.0001, 2.0, 2.0)))
    assert not long.same_as(Grid((400, 1, 1), (2.0001, 2.0, 2.0)))
    assert not short.same_as(Grid((11, 1, 1), (2.0, 2.0, 2.0)))


def test_contains_is_half_open():
    grid = Grid((4, 3, 2), (1.0, 1.0, 1.0))
    assert grid.contains((0, 0, 0))
    assert grid.contains((3, 2, 1))
    assert not grid.contains((4, 0, 0))
    assert not grid.contains((0, -1, 0))


SIX_MM = (6.0, 6.0, 6.0)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (((0, 3, 2), SIX_MM), "at least one voxel"),
        (((4, -3, 2), SIX_MM), "at least one voxel"),
        (((4, 3, 2.5), SIX_MM), "at least one voxel"),
        (((4, 3), SIX_MM), "three sizes"),
        (((4, 3, 2), (6.0, 0.0, 6.0)), "positive"),
        (((4, 3, 2), (6.0, -6.0, 6.0)), "positive"),
        (((4, 3, 2), (6.0, math.nan, 6.0)), "finite"),
        (((4, 3, 2), (6.0, math.inf, 6.0)), "finite"),
        (((4, 3, 2), (6.0, 6.0)), "three positive"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0, math.nan)), "origin"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0)), "origin"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0, 0.0), IDENTITY[:8]), "nine"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0, 0.0), (math.nan, *IDENTITY[1:])), "nine"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0, 0.0), (2.0, *IDENTITY[1:])), "perpendicular unit"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0, 0.0), (1.0, 0.1, *IDENTITY[2:])), "perpendicular unit"),
        (((4, 3, 2), SIX_MM, (0.0, 0.0, 0.0), (0.0,) * 9), "perpendicular unit"),
    ],
)
def test_grids_that_cannot_be_are_refused(arguments, word):
    with pytest.raises(GridError, match=word):
        Grid(*arguments)


def test_a_mirrored_grid_is_a_grid():
    assert Grid((4, 3, 2), SIX_MM, direction=(-1.0, *IDENTITY[1:])).world_mm((1, 0, 0)) == (-6.0, 0.0, 0.0)


def test_a_volume_is_an_array_of_the_grids_shape_that_nobody_writes():
    grid = Grid((4, 3, 2), SIX_MM)
    array = np.zeros((2, 3, 4))
    volume = Volume(array, grid)
    with pytest.raises(ValueError, match="read-only"):
        volume.array_zyx[0, 0, 0] = 1
    array[0, 0, 0] = 1  # the caller's own array stays the caller's
    with pytest.raises(GridError, match=r"\(4, 3, 2\).*\(2, 3, 4\)"):
        Volume(np.zeros((4, 3, 2)), grid)
    assert volume.with_array(array + 1).grid is grid
