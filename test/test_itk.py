# SPDX-License-Identifier: Apache-2.0
"""The bridge to SimpleITK: nothing is lost, and the linear resampling is linear."""

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.itk import grid_of, resample_onto, to_image, to_volume
from petlesion.volume import Grid, GridError, Volume

GRID = Grid((4, 3, 2), (1.0, 2.0, 5.0), (10.0, -20.0, 30.0), (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_there_and_back_keeps_values_type_and_grid(kind):
    volume = Volume(np.arange(24, dtype=kind).reshape(2, 3, 4), GRID)
    back = to_volume(to_image(volume))
    assert back.grid == GRID
    assert back.array_zyx.dtype == kind
    assert np.array_equal(back.array_zyx, volume.array_zyx)


def test_the_index_orders_are_exchanged():
    array = np.zeros((2, 3, 4), np.float32)
    array[1, 2, 3] = 7  # z, y, x
    assert to_image(Volume(array, GRID)).GetPixel(3, 2, 1) == 7


def test_a_bool_becomes_uint8():
    assert to_image(Volume(np.ones((2, 3, 4), bool), GRID)).GetPixelID() == sitk.sitkUInt8


def test_a_geometry_that_cannot_be_is_refused():
    image = sitk.Image(2, 2, 2, sitk.sitkUInt8)
    image.SetDirection((1.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    with pytest.raises(GridError, match="perpendicular"):
        grid_of(image)


def test_a_ramp_in_space_stays_the_ramp_on_another_grid():
    """Linear interpolation is exact for f(x, y, z) = x + 10 y + 100 z in mm, and -1024 where there was no voxel."""
    source = Grid((9, 9, 9), (1.0, 1.0, 1.0))
    x, y, z = np.meshgrid(*[np.arange(9.0)] * 3, indexing="ij")
    ramp = Volume((x + 10 * y + 100 * z).transpose(2, 1, 0), source)
    target = Grid((4, 3, 2), (2.5, 2.0, 4.0), (0.5, 1.0, 2.0))
    result = resample_onto(ramp, target, -1024.0)
    assert result.grid is target
    assert result.array_zyx.dtype == np.float32
    for index in np.ndindex(3, 3, 2):  # x = 0.5, 3, 5.5; the fourth, x = 8, is the ramp's last voxel
        wx, wy, wz = target.world_mm(index)
        assert result.array_zyx[index[::-1]] == pytest.approx(wx + 10 * wy + 100 * wz, rel=1e-6)
    assert resample_onto(ramp, Grid((1, 1, 1), (1.0, 1.0, 1.0), (-3.0, 0.0, 0.0)), -1024.0).array_zyx.item() == -1024.0
