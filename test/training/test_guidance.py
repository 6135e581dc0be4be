# SPDX-License-Identifier: Apache-2.0
"""The heatmap on a patch equals the heatmap of the whole PET, cut to the patch."""

import numpy as np

from petlesion.clicks import Clicks
from petlesion.inference.heatmap import click_heatmap
from petlesion.recipe import HeatmapRule
from petlesion.training.guidance import PatchClicks, draw_guidance

RULE = HeatmapRule(sigma_tumor_voxels=1.0, sigma_background_voxels=2.0, suv_cut=3.0)
SAME_GRID = (1.0, 1.0, 1.0)


def points(*zyx):
    return np.array(zyx, dtype=float).reshape(-1, 3)


def test_no_clicks_give_zeros():
    nothing = PatchClicks(points(), np.zeros(0), points())
    assert not draw_guidance(np.ones((2, 3, 4), np.float32), nothing, SAME_GRID, RULE).any()


def test_on_the_scanners_grid_it_is_the_heatmap_of_inference():
    rng = np.random.default_rng(0)
    pet = rng.gamma(2.0, 2.0, (24, 24, 24)).astype(np.float32)
    tumor, background = [(8, 9, 10), (12, 12, 12)], [(2, 3, 4), (17, 16, 15), (18, 16, 15)]
    clicks = Clicks(tuple(p[::-1] for p in tumor), tuple(p[::-1] for p in background))
    whole = click_heatmap(clicks, pet, RULE)
    corner = np.array([4, 5, 6])
    suv = np.array([pet[p] for p in tumor])
    patch_clicks = PatchClicks(points(*tumor) - corner, suv, points(*background) - corner)
    drawn = draw_guidance(pet[4:20, 5:20, 6:22], patch_clicks, SAME_GRID, RULE)
    np.testing.assert_allclose(
        drawn, whole[4:20, 5:20, 6:22], atol=0.02
    )  # the peak of near clicks is on the voxel grid


def test_widths_are_voxels_of_the_scanner():
    # One network voxel is two of the scanner along z and one along x: half the width along z.
    pet = np.full((9, 1, 9), 5, np.float32)
    drawn = draw_guidance(pet, PatchClicks(points((4, 0, 4)), np.array([5.0]), points()), (2.0, 1.0, 1.0), RULE)
    assert drawn[4, 0, 4] == 1
    np.testing.assert_allclose(drawn[5, 0, 4], np.exp(-0.5 * 2**2), rtol=1e-5)
    np.testing.assert_allclose(drawn[4, 0, 5], np.exp(-0.5), rtol=1e-5)


def test_background_clicks_alone_are_negative():
    pet = np.ones((3, 3, 3), np.float32)
    drawn = draw_guidance(pet, PatchClicks(points(), np.zeros(0), points((1, 1, 1))), SAME_GRID, RULE)
    assert drawn.max() < 0
    assert drawn[1, 1, 1] == -1


def test_cold_neighbours_of_a_tumour_click_are_spared():
    pet = np.array([[[4.0, 2.0, 3.5]]], np.float32)
    drawn = draw_guidance(pet, PatchClicks(points((0, 0, 0)), np.array([4.0]), points()), SAME_GRID, RULE)
    assert drawn[0, 0, 1] == 0  # below min(4, 3)
    assert drawn[0, 0, 2] > 0


def test_near_clicks_stay_within_bounds_between_their_centres():
    """Two clicks at one place and two beside it: between the pairs their Gaussians add up to more than at either."""
    near = points((0, 0, 3), (0, 0, 3.1), (0, 0, 4.9), (0, 0, 5))
    drawn = draw_guidance(np.ones((1, 1, 9), np.float32), PatchClicks(points(), np.zeros(0), near), SAME_GRID, RULE)
    assert drawn.min() == -1
