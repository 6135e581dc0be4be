# SPDX-License-Identifier: Apache-2.0
"""A network's axes in the patient."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Orientation

from petlesion.inference.orientation import NetworkAxes, oriented_axes
from petlesion.volume import Grid

LETTERS = ("LR", "AP", "IS")
TURNED = 0.1  # radian: an oblique image


def grid_of(direction, size=(2, 3, 4)):
    return Grid(size, (1.0, 1.5, 2.0), (0.0, 0.0, 0.0), tuple(float(v) for v in np.ravel(direction)))


def test_itk_points_left_back_and_up():
    plain = grid_of(np.eye(3))
    assert oriented_axes(plain, "LPS") == NetworkAxes((2, 1, 0), ())
    assert oriented_axes(plain, "LAS") == NetworkAxes((2, 1, 0), (1,))
    assert oriented_axes(plain, "RAS") == NetworkAxes((2, 1, 0), (0, 1))
    assert oriented_axes(plain, "SPL") == NetworkAxes((0, 1, 2), ())


def random_direction(order, signs, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return turn @ np.eye(3)[list(order)] * signs


@given(
    st.sampled_from(list(permutations(range(3)))),
    st.sampled_from(list(product((-1, 1), repeat=3))),
    st.sampled_from(["".join(p) for c in product(*LETTERS) for p in permutations(c)]),
    st.sampled_from([0.0, TURNED]),
)
def test_it_is_monais_orientation(order, signs, letters, angle):
    grid = grid_of(random_direction(order, signs, angle))
    array = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    axes = oriented_axes(grid, letters)
    ours = np.flip(array.transpose(axes.transpose), axes.flips)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])  # MONAI's world points right, forward and up
    affine[:3, :3] = affine[:3, :3] @ np.array(grid.direction).reshape(3, 3) @ np.diag(grid.spacing_mm)
    image = MetaTensor(torch.from_numpy(array.transpose(2, 1, 0).copy())[None], affine=affine)
    theirs = Orientation(axcodes=letters, labels=None)(image)[0]
    np.testing.assert_array_equal(ours, np.asarray(theirs))


@pytest.mark.parametrize("letters", ["RA", "RAX", "RLS", "ras", ""])
def test_letters_name_each_direction_once(letters):
    with pytest.raises(ValueError, match="names right or left"):
        oriented_axes(grid_of(np.eye(3)), letters)
