# SPDX-License-Identifier: Apache-2.0
"""The rotating view: its first picture is the coronal projection, a quarter turn on it is the sagittal one."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.page.turntable import FRAMES, turntable
from petlesion.volume import Grid, Volume

GRID = Grid((9, 9, 6), (4.0, 4.0, 4.0))


def case(grid=GRID):
    """A warm block, a hot voxel to the left and back of it, and a mask on the hot voxel."""
    pet, mask = np.zeros(grid.shape_zyx, np.float32), np.zeros(grid.shape_zyx, np.uint8)
    pet[:, 1:8, 1:8] = 2.5
    pet[4, 6, 7], mask[4, 6, 7] = 10.0, 1
    return Volume(pet, grid), Volume(mask, grid)


def seen(picture):
    """Shades, 0 white to 1 black, and where it is red; both (rows, columns)."""
    red, green, _ = np.asarray(picture.convert("RGB")).astype(float).transpose(2, 0, 1)
    return 1 - red / 255, red - green > 60


def centre_of_red(picture):
    rows, columns = np.nonzero(seen(picture)[1])
    height, width = seen(picture)[1].shape
    return rows.mean() - (height - 1) / 2, columns.mean() - (width - 1) / 2


def test_there_are_pictures_of_half_a_turn_all_of_one_size():
    frames = turntable(*case())
    assert len(frames) == FRAMES
    assert len({frame.size for frame in frames}) == 1


def test_the_first_picture_is_from_the_front_with_the_patients_left_on_the_right():
    # the block spans x 1..7, so that the voxel x = 7 is 3 to the right of its centre; z 4 is 1.5 above that of 0..5
    down, right = centre_of_red(turntable(*case())[0])
    assert right == pytest.approx(3, abs=0.6)
    assert down == pytest.approx(-1.5, abs=0.6)


def test_a_quarter_turn_on_it_is_from_the_side():
    # y 6 is 2 behind the centre of 1..7
    assert abs(centre_of_red(turntable(*case())[FRAMES // 2])[1]) == pytest.approx(2, abs=0.6)


def test_the_lesion_goes_round():
    columns = [centre_of_red(frame)[1] for frame in turntable(*case())]
    radius, phase = np.hypot(3, 2), np.arctan2(2, 3)
    turns = [radius * np.cos(phase + np.pi * k / FRAMES) for k in range(FRAMES)]
    back = [radius * np.cos(phase - np.pi * k / FRAMES) for k in range(FRAMES)]
    assert min(np.abs(np.subtract(columns, turns)).max(), np.abs(np.subtract(columns, back)).max()) < 0.8


def test_fine_voxels_are_pooled_by_their_maximum():
    grid = Grid((36, 36, 24), (1.0, 1.0, 1.0))
    pet, mask = np.zeros(grid.shape_zyx, np.float32), np.zeros(grid.shape_zyx, np.uint8)
    pet[:, 4:32, 4:32], pet[10, 20, 20], mask[10, 20, 20] = 1.0, 10.0, 1
    picture = turntable(Volume(pet, grid), Volume(mask, grid))[0]
    assert picture.size[0] < 15
    assert seen(picture)[1].any()


def test_a_volume_of_air_is_a_white_picture():
    grid = Grid((4, 4, 3), (4.0, 4.0, 4.0))
    empty = Volume(np.zeros(grid.shape_zyx, np.float32), grid), Volume(np.zeros(grid.shape_zyx, np.uint8), grid)
    shades, red = seen(turntable(*empty)[0])
    assert shades.max() == 0
    assert not red.any()


def test_flat_voxels_give_square_pixels():
    grid = Grid((9, 9, 6), (4.0, 4.0, 8.0))
    tall, flat = (turntable(*case(one))[0].size for one in (grid, GRID))
    assert tall[0] == flat[0]
    assert tall[1] == 2 * flat[1]
