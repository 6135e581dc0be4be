# SPDX-License-Identifier: Apache-2.0
"""The input of MONAI's networks is what MONAI's own transforms make of a case; the way back meets the PET's grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientation, ScaleIntensityRange, Spacing
from scipy.ndimage import gaussian_filter

from petlesion.inference.body import Box
from petlesion.inference.monai_inputs import prepare_monai
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.preprocess import PrepareError, restore
from petlesion.recipe import ChannelScaling, MonaiGrid, MonaiNetwork
from petlesion.recipes import AHAMED, SAFDARI
from petlesion.volume import Grid
from test.inference.restoring import restore_logit

NETWORK = MonaiNetwork("UNet", 2, (16, 24, 16), {})
RAS = MonaiGrid("RAS", (2.0, 2.0, 2.0), (ChannelScaling(),))
TURNED = (0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0)  # a sagittal image


def volume(shape_zyx=(13, 17, 11), seed=0):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape_zyx), 1.0).astype(np.float32)


def grid_of(shape_zyx, spacing_mm=(4.07, 3.5, 3.0), direction=None):
    z, y, x = shape_zyx
    extra = {} if direction is None else {"direction": direction}
    return Grid((x, y, z), spacing_mm, (5.0, -7.0, 11.0), **extra)


def monai_image(array_zyx, grid):
    affine = np.eye(4)
    affine[:3, :3] = np.array(grid.direction).reshape(3, 3) @ np.diag(grid.spacing_mm)
    affine[:3, 3] = grid.origin_mm
    return MetaTensor(
        torch.from_numpy(array_zyx.transpose(2, 1, 0).copy())[None], affine=np.diag([-1, -1, 1, 1]) @ affine
    )


@pytest.mark.parametrize("spacing_mm", [(4.07, 3.5, 3.0), (1.5, 1.1, 2.0), (2.0, 2.0, 2.0)])
@pytest.mark.parametrize("direction", [None, TURNED])
@pytest.mark.parametrize("orientation", ["RAS", "LAS"])
def test_orientation_and_spacing_are_monais(spacing_mm, direction, orientation):
    array = volume()
    grid = grid_of(array.shape, spacing_mm, direction)
    ours = prepare_monai([array], grid, MonaiPlans(NETWORK, replace(RAS, orientation=orientation))).array_czyx
    steps = Compose([Orientation(axcodes=orientation, labels=None), Spacing(pixdim=(2.0, 2.0, 2.0), mode="bilinear")])
    theirs = np.asarray(steps(monai_image(array, grid)))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)  # MONAI computes its coordinates in fp32


@pytest.mark.parametrize(("recipe", "ct_range"), [(AHAMED, (-1024, 1024)), (SAFDARI, (-832.0627, 1127.7585))])
def test_the_recipes_scale_the_ct_as_their_papers_say(recipe, ct_range):
    rule = recipe.stages[0].grid.channels[0]
    values = np.linspace(-2000, 3000, 60, dtype=np.float32).reshape(3, 4, 5)
    plans = MonaiPlans(NETWORK, replace(RAS, orientation="SPL", spacing_xyz_mm=(1.0, 1.0, 1.0), channels=(rule,)))
    ours = prepare_monai([values], grid_of((3, 4, 5), (1.0, 1.0, 1.0)), plans).array_czyx[0]
    if recipe is AHAMED:
        theirs = ScaleIntensityRange(*ct_range, 0.0, 1.0, clip=True)(values)
    else:
        theirs = (values.clip(*ct_range) - 107.7344) / 286.3440
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_foreground_is_cut_out_and_comes_back():
    ct = np.full((12, 14, 16), -1024.0, np.float32)
    ct[3:9, 4:12, 5:13] = 40.0
    plans = MonaiPlans(NETWORK, replace(RAS, foreground_above_hu=-1024.0))
    given = prepare_monai([ct], grid_of(ct.shape, (2.0, 2.0, 2.0)), plans)
    assert given.box == Box((3, 4, 5), (9, 12, 13))
    assert (given.array_czyx == 40.0).all()
    mask = restore(np.ones(given.array_czyx.shape[1:], np.float32), given)
    np.testing.assert_array_equal(mask, ct > -1024)


def test_no_foreground_keeps_everything():
    air = np.full((5, 6, 7), -1024.0, np.float32)
    given = prepare_monai([air], grid_of(air.shape), MonaiPlans(NETWORK, replace(RAS, foreground_above_hu=-1024.0)))
    assert given.box == Box.whole((5, 6, 7))


def test_a_box_narrows_what_is_prepared():
    array = volume((20, 20, 20))
    box = Box((2, 3, 4), (12, 13, 14))
    grid = grid_of(array.shape, (2.0, 2.0, 2.0))
    whole = prepare_monai([array], grid, MonaiPlans(NETWORK, RAS))
    part = prepare_monai([array], grid, MonaiPlans(NETWORK, RAS), box)
    assert part.box == box
    # RAS: x and y run against the array, so the box begins at the other end
    np.testing.assert_array_equal(part.array_czyx, whole.array_czyx[:, 6:16, 7:17, 2:12])


def test_a_mask_channel_keeps_its_two_values():
    mask = (volume() > 0).astype(np.float32)
    plans = MonaiPlans(NETWORK, replace(RAS, channels=(ChannelScaling(), ChannelScaling(nearest=True))))
    given = prepare_monai([volume(), mask], grid_of(mask.shape), plans)
    assert set(np.unique(given.array_czyx[1])) == {0.0, 1.0}


@pytest.mark.parametrize("direction", [None, TURNED])
def test_there_and_back_is_the_image_again(direction):
    array = gaussian_filter(volume((24, 24, 24)), 2.0)
    grid = grid_of(array.shape, (4.0, 4.0, 4.0), direction)
    given = prepare_monai([array], grid, MonaiPlans(NETWORK, replace(RAS, spacing_xyz_mm=(2.0, 2.0, 2.0))))
    # every second voxel of the fine grid lies on one of the coarse grid, so linear interpolation gives it back
    np.testing.assert_allclose(restore_logit(given.array_czyx[0], given), array, atol=1e-5)


def test_channels_that_do_not_fit_are_refused():
    plans = MonaiPlans(NETWORK, RAS)
    for channels in ([], [volume(), volume()], [volume((3, 3, 3))]):
        with pytest.raises(PrepareError, match="1 channels of the shape"):
            prepare_monai(channels, grid_of(volume().shape), plans)
