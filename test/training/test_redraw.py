# SPDX-License-Identifier: Apache-2.0
"""Clicks drawn anew: they follow the patient through space, and look as they do at inference."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from petlesion.case import PetCtCase
from petlesion.clicks import Clicks
from petlesion.inference.channels import draw_channels
from petlesion.inference.heatmap import click_heatmap
from petlesion.recipe import HeatmapRule
from petlesion.recipes import BASELINE, LESION_TRACER, MESBAH
from petlesion.training.guidance import PatchClicks
from petlesion.training.misalign import MisalignCt
from petlesion.training.preprocessed import in_steps
from petlesion.training.redraw import (
    DrawClicks,
    OnImages,
    SampleClicks,
    SpatialWithClicks,
    draw_clicks,
    output_position,
    training_chain,
    validation_chain,
)
from petlesion.volume import Grid, Volume

RULE = HeatmapRule(sigma_tumor_voxels=1.0, sigma_background_voxels=1.5)
SAME_GRID = (1.0, 1.0, 1.0)
STAGE = replace(MESBAH.stages[0], heatmap=RULE)
NOWHERE = np.zeros((0, 3))


def held(tumor, background=((0, 0, 0),)):
    """A case with one physician, as `preprocessed` writes it."""
    return {
        "tumor_zyx": np.array([tumor], float),
        "tumor_suv": np.full((1, len(tumor)), 9.0),
        "background_zyx": np.array([background], float),
        "scale_zyx": np.ones(3),
    }


def sample_clicks(tumor, background=NOWHERE, suv=9.0):
    return SampleClicks(PatchClicks(np.array(tumor, float), np.full(len(tumor), suv), np.array(background)), SAME_GRID)


def test_counts_run_from_none_to_ten_of_each_kind():
    case = held([(i, 0, 0) for i in range(10)], [(0, i, 0) for i in range(10)])
    rng = np.random.default_rng(0)
    drawn = [draw_clicks(case, (0, 0, 0), rng).points for _ in range(600)]
    counts = [(len(points.tumor_zyx), len(points.background_zyx)) for points in drawn]
    assert {n for n, _ in counts} == {n for _, n in counts} == set(range(11))
    assert sum(a == b for a, b in counts) == pytest.approx(
        600 * 6 / 11, rel=0.15
    )  # half, and one in eleven of the rest
    assert all(points.tumor_zyx[:, 0].tolist() == list(range(len(points.tumor_zyx))) for points in drawn)  # the first


def test_the_ends_of_short_lists_are_no_clicks():
    case = held([(1, 2, 3), (np.nan,) * 3], [(np.nan,) * 3])
    rng = np.random.default_rng(0)
    assert {len(draw_clicks(case, (0, 0, 0), rng).points.tumor_zyx) for _ in range(50)} == {0, 1}
    assert all(len(draw_clicks(case, (0, 0, 0), rng).points.background_zyx) == 0 for _ in range(20))


def test_clicks_are_counted_from_the_patchs_corner():
    rng = np.random.default_rng(1)
    drawn = [draw_clicks(held([(5, 6, 7)]), (1, -2, 3), rng).points.tumor_zyx for _ in range(20)]
    assert next(points.tolist() for points in drawn if len(points)) == [[4, 8, 4]]


@dataclass
class Fixed:
    """nnU-Net's spatial transform with rotation and scaling, or without."""

    turned: bool

    def transform(self, patch):
        return SpatialTransform(
            patch,
            0,
            random_crop=False,
            p_rotation=self.turned,
            rotation=(0.2, 0.3),
            p_scaling=self.turned,
            scaling=(0.8, 0.9),
        )


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("patch", [(16, 17, 18), (15, 14, 13), (30, 30, 30)])
def test_a_click_goes_where_its_voxel_goes(turned, patch):
    point = np.array([12.0, 11.0, 13.0])
    axes = np.meshgrid(*(np.arange(24.0),) * 3, indexing="ij")
    blob = np.exp(-sum((a - p) ** 2 for a, p in zip(axes, point, strict=True)) / 3).astype(np.float32)
    transform = SpatialWithClicks(Fixed(turned).transform(patch))
    found = transform(image=torch.from_numpy(blob)[None], clicks=sample_clicks([point]))
    image = found["image"][0].numpy()
    weight = image / image.sum()
    centre = [(weight * axis).sum() for axis in np.meshgrid(*map(np.arange, patch), indexing="ij")]
    assert image.shape == patch
    np.testing.assert_allclose(found["clicks"].points.tumor_zyx[0], centre, atol=0.15)


def test_deformation_is_refused():
    with pytest.raises(ValueError, match="rotation, scaling and a central crop"):
        SpatialWithClicks(SpatialTransform((8, 8, 8), 0, random_crop=False, p_elastic_deform=0.1))


def test_scaling_moves_clicks_and_keeps_the_width_of_their_gaussians():
    # Scales of 1/2: the patient is twice as large afterwards. A click 4 voxels from the centre comes to 8 from it.
    affine = np.eye(3) / 2
    moved = output_position(np.array([[19.5, 15.5, 15.5]]), affine, (32, 32, 32), (32, 32, 32))
    np.testing.assert_allclose(moved, [[23.5, 15.5, 15.5]])
    image = torch.full((3, 32, 32, 32), 255.0)
    clicks = SampleClicks(PatchClicks(np.rint(moved), np.array([9.0]), NOWHERE), SAME_GRID)
    heatmap = DrawClicks(RULE)(image=image, clicks=clicks)["image"][2]
    z, y, x = (int(i) for i in np.rint(moved)[0])
    assert heatmap[z, y, x] == 1
    assert float(heatmap[z + 1, y, x]) == pytest.approx(np.exp(-0.5), abs=1e-6)  # one sigma, as without scaling


def test_without_a_transform_it_is_the_heatmap_of_inference():
    rng = np.random.default_rng(0)
    pet = rng.gamma(2.0, 2.0, (24, 24, 24)).astype(np.float32)
    # away from the faces, where scipy mirrors Gaussians, and from the tumour map, which would cover the peak
    tumor, background = [(8, 9, 10), (12, 12, 12)], [(10, 15, 6)]
    suv = np.array([pet[p] for p in tumor])
    clicks = SampleClicks(PatchClicks(np.array(tumor, float), suv, np.array(background, float)), SAME_GRID)
    steps = torch.from_numpy(in_steps(pet).astype(np.float32))
    found = DrawClicks(RULE)(image=torch.stack([steps * 0, steps * 0, steps]), clicks=clicks)
    whole = click_heatmap(Clicks(tuple(p[::-1] for p in tumor), tuple(p[::-1] for p in background)), pet, RULE)
    assert "clicks" not in found
    np.testing.assert_allclose(found["image"][2].numpy(), whole, atol=0.02)


def test_two_channels_of_clicks_are_those_of_inference():
    pet = np.random.default_rng(0).gamma(2.0, 2.0, (26, 26, 26)).astype(np.float32)
    tumor, background = [(13, 12, 13), (12, 14, 12)], [(13, 13, 12)]  # near each other: neither cuts the other
    stage = replace(BASELINE.stages[-1], heatmap=replace(BASELINE.stages[-1].heatmap, sigma_tumor_voxels=1.5))
    volume = Volume(pet, Grid((26, 26, 26), SAME_GRID))
    case = PetCtCase("a", volume, volume, Clicks(tuple(p[::-1] for p in tumor), tuple(p[::-1] for p in background)))
    whole = draw_channels(case, stage, pet > np.inf)[2:]
    clicks = SampleClicks(PatchClicks(np.array(tumor, float), np.zeros(2), np.array(background, float)), SAME_GRID)
    image = torch.from_numpy(np.stack([pet, pet, in_steps(pet).astype(np.float32)]))
    found = DrawClicks(stage.heatmap, stage.channels[2:])(image=image, clicks=clicks)["image"].numpy()
    np.testing.assert_array_equal(found[:2], [pet, pet])
    np.testing.assert_allclose(found[2:], whole, atol=1e-5)
    assert (found[2:].min(), found[2:].max()) == (0, 1)


def test_the_heatmap_stays_within_one():
    background = np.array([(8, 8, 8), (8, 8, 10), (8, 10, 8), (8, 10, 10)], float)  # most of all in their middle
    clicks = SampleClicks(PatchClicks(NOWHERE, np.zeros(0), background), SAME_GRID)
    heatmap = DrawClicks(RULE)(image=torch.zeros(3, 17, 17, 17), clicks=clicks)["image"][2]
    assert float(heatmap.min()) == -1


def test_intensity_leaves_the_heatmap_alone():
    noise = GaussianNoiseTransform(noise_variance=(1, 1), p_per_channel=1, synchronize_channels=False)
    for n_maps in (1, 2):
        image = torch.zeros(2 + n_maps, 4, 4, 4)
        found = OnImages([noise])(image=image)["image"]
        assert found[:2].abs().min() > 0
        assert torch.equal(found[2:], image[2:])


def test_the_order_of_the_chains():
    noise = RandomTransform(GaussianNoiseTransform(), apply_probability=1)
    stock = ComposeTransforms([Fixed(turned=True).transform((8, 8, 8)), noise, noise])
    chain = training_chain(stock, STAGE, misalign=True).transforms
    assert [type(one) for one in chain] == [MisalignCt, SpatialWithClicks, DrawClicks, OnImages]
    assert len(chain[3].transforms) == 2
    assert [type(one) for one in validation_chain(ComposeTransforms([]), STAGE).transforms] == [DrawClicks]


def test_without_clicks_the_chain_is_nnunets_own_and_the_ct_moves_where_the_recipe_says():
    stock = ComposeTransforms([Fixed(turned=True).transform((8, 8, 8))])
    stage = LESION_TRACER.stages[-1]
    assert training_chain(stock, stage, misalign=False).transforms == stock.transforms
    assert isinstance(training_chain(stock, stage, misalign=True).transforms[0], MisalignCt)
    assert validation_chain(stock, stage) is stock
