# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from itertools import permutations, product

import numpy as np
import pytest
from PIL import Image

from petlesion.picture import mip_picture, project
from petlesion.volume import Grid, GridError, Volume

GRID = Grid((2, 3, 4), (5.0, 6.0, 7.0), (10.0, 20.0, 30.0))  # x, y, z; an array of shape (4, 3, 2)


def volume(array_zyx):
    return Volume(np.asarray(array_zyx), GRID)


def ramp():
    """Voxel (x, y, z) holds z + 10 y + 100 x, so that every maximum can be named."""
    z, y, x = np.indices(GRID.shape_zyx)
    return volume((z + 10 * y + 100 * x).astype(np.float32))


def one_voxel(x, y, z):
    mask = np.zeros(GRID.shape_zyx, np.uint8)
    mask[z, y, x] = 1
    return volume(mask)


def restored(patient, axes, signs):
    """The same patient on a grid whose index axis i runs along body axis axes[i], its sign signs[i]."""
    array = patient.array_zyx.transpose(2, 1, 0).transpose(axes)
    array = np.flip(array, tuple(i for i in range(3) if signs[i] < 0))
    direction = np.zeros((3, 3))
    direction[list(axes), range(3)] = signs
    corner = tuple(0 if s > 0 else patient.grid.size_xyz[a] - 1 for a, s in sorted(zip(axes, signs, strict=True)))
    grid = Grid(
        array.shape,
        tuple(patient.grid.spacing_mm[a] for a in axes),
        patient.grid.world_mm(corner),
        tuple(direction.ravel()),
    )
    return Volume(array.transpose(2, 1, 0), grid)


def red_pixels(path):
    with Image.open(path) as picture:
        red, green, blue = np.asarray(picture.convert("RGB")).astype(int).transpose(2, 0, 1)
    return int(((red - green > 60) & (red - blue > 60)).sum())


def test_a_mask_without_lesions_is_a_picture_without_red(tmp_path):
    mip_picture(ramp(), volume(np.zeros(GRID.shape_zyx, np.uint8)), tmp_path / "a.png")
    assert red_pixels(tmp_path / "a.png") == 0


def test_a_lesion_is_red_in_the_picture(tmp_path):
    mip_picture(ramp(), one_voxel(0, 1, 2), tmp_path / "a.png")
    assert red_pixels(tmp_path / "a.png") > 100


def test_a_mask_may_come_from_a_file_as_floats(tmp_path):
    mip_picture(ramp(), volume(one_voxel(0, 1, 2).array_zyx.astype(np.float32)), tmp_path / "a.png")
    assert red_pixels(tmp_path / "a.png") > 100


def test_the_coronal_view_is_the_maximum_over_y_with_the_foot_in_row_0():
    view, _ = project(ramp(), one_voxel(0, 1, 2))
    assert view.pet_suv.tolist() == [[20 + z, 120 + z] for z in range(4)]  # y = 2 holds the maximum
    assert view.mask.tolist() == [[False, False], [False, False], [True, False], [False, False]]
    assert view.size_mm == (2 * 5.0, 4 * 7.0)


def test_the_sagittal_view_is_the_maximum_over_x_with_the_face_in_column_0():
    _, view = project(ramp(), one_voxel(0, 1, 2))
    assert view.pet_suv.tolist() == [[100 + z, 110 + z, 120 + z] for z in range(4)]  # x = 1 holds the maximum
    assert np.argwhere(view.mask).tolist() == [[2, 1]]
    assert view.size_mm == (3 * 6.0, 4 * 7.0)


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_how_the_voxels_are_stored_does_not_show(axes):
    pet, mask = ramp(), one_voxel(1, 0, 3)
    for signs in product((1, -1), repeat=3):
        stored = [restored(one, axes, signs) for one in (pet, mask)]
        for plain, other in zip(project(pet, mask), project(*stored), strict=True):
            np.testing.assert_array_equal(plain.pet_suv, other.pet_suv)
            np.testing.assert_array_equal(plain.mask, other.mask)
            assert plain.pixel_mm == other.pixel_mm


def test_an_oblique_grid_is_shown_along_its_own_axes():
    c, s = np.cos(0.3), np.sin(0.3)
    grid = Grid(GRID.size_xyz, GRID.spacing_mm, direction=(c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0))
    tilted = [Volume(one.array_zyx, grid) for one in (ramp(), one_voxel(0, 0, 0))]
    for plain, other in zip(project(ramp(), one_voxel(0, 0, 0)), project(*tilted), strict=True):
        np.testing.assert_array_equal(plain.pet_suv, other.pet_suv)


def test_a_mask_on_another_grid_is_refused():
    elsewhere = Volume(np.zeros((4, 3, 2), np.uint8), Grid((2, 3, 4), (5.0, 6.0, 7.0)))
    with pytest.raises(GridError, match="on the PET's grid"):
        project(ramp(), elsewhere)


@pytest.mark.parametrize(("size", "spacing"), [((2, 2, 40), (1.0, 1.0, 5.0)), ((40, 40, 1), (5.0, 5.0, 1.0))])
def test_flat_and_tall_volumes_give_pictures_of_a_sane_size(tmp_path, size, spacing):
    grid = Grid(size, spacing)
    pet = Volume(np.ones(grid.shape_zyx, np.float32), grid)
    mip_picture(pet, Volume(np.ones(grid.shape_zyx, np.uint8), grid), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        width, height = picture.size
    assert 100 < width < 3000
    assert 100 < height < 3000


def test_a_picture_leaves_no_global_state():
    code = "import sys, petlesion.picture as p; p.mip_picture; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "matplotlib" not in modules
