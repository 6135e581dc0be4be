# SPDX-License-Identifier: Apache-2.0
"""Prepared cases and the patches cut from them, on phantoms small enough to be quick."""

from dataclasses import replace

import numpy as np
import pytest

from petlesion.case import Tracer
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.phantom import STUDY_DIRECTION, make_phantom
from petlesion.recipe import HeatmapRule
from petlesion.training.cases import TrainingCase, prepare_case
from petlesion.training.organ_head import UNKNOWN, organ_classes
from petlesion.training.patches import Patches, Sampling, cut, draw_counts
from petlesion.training.plans import SmallNetwork, dataset_json, plans_json
from petlesion.training.scans import crop, shorten
from petlesion.training.studies import Study
from petlesion.volume import Grid, Volume

VALUES = (np.linspace(-100, 100, 201, dtype=np.float32), np.linspace(0, 20, 201, dtype=np.float32))
PLANS = NnunetPlans.parse(
    plans_json(SmallNetwork(patch_zyx=(16, 16, 16), spacing_mm=8.0), VALUES, "toy"), dataset_json(1)
)


@pytest.fixture(scope="module")
def phantom():
    grid = Grid((64, 48, 100), (8.0, 8.0, 8.0), (-256.0, 192.0, -800.0), STUDY_DIRECTION)
    return make_phantom(Tracer.FDG, np.random.default_rng(3), grid=grid, n_lesions=8)


@pytest.fixture(scope="module")
def case(phantom):
    return prepare_case(Study.of(phantom), PLANS, np.random.default_rng(0))


def patches(case, **how):
    pet = PLANS.normalizations[1].intensity
    return Patches([case], pet, HeatmapRule(), Sampling(patch_zyx=(16, 16, 16), **how))


def test_clicks_lie_in_lesions_and_outside(case):
    for points, inside in ((case.tumor_zyx, 1), (case.background_zyx, 0)):
        z, y, x = np.rint(points.reshape(-1, 3)).astype(int).T
        np.testing.assert_array_equal(
            case.truth_zyx[z, y, x], 255 * inside
        )  # the grid is the phantom's: nothing is resampled


def test_spots_are_lesion_voxels(case):
    assert case.truth_zyx[tuple(case.spots_zyx.T)].all()


def test_the_truth_keeps_every_lesion_voxel(case, phantom):
    np.testing.assert_array_equal(case.truth_zyx[case.truth_zyx > 0], 255)
    assert (case.truth_zyx > 0).sum() == phantom.truth.array_zyx.sum()
    np.testing.assert_array_equal(case.scale_zyx, 1)


def test_a_coarser_grid_keeps_shares_of_voxels(phantom):
    plans = plans_json(SmallNetwork(patch_zyx=(16, 16, 16), spacing_mm=12.0), VALUES, "toy")
    coarse = prepare_case(Study.of(phantom), NnunetPlans.parse(plans, dataset_json(1)), np.random.default_rng(0))
    assert len(np.unique(coarse.truth_zyx)) > 3
    volume = coarse.truth_zyx.sum() / 255 * np.prod(coarse.scale_zyx)
    assert volume == pytest.approx(phantom.truth.array_zyx.sum(), rel=0.25)


def test_a_case_comes_back_from_disk(case, tmp_path):
    case.save(tmp_path / "case.npz")
    again = TrainingCase.load(tmp_path / "case.npz")
    assert again.tracer is Tracer.FDG
    np.testing.assert_array_equal(again.image_czyx, case.image_czyx)
    np.testing.assert_array_equal(again.tumor_zyx, case.tumor_zyx)


def test_the_same_seed_gives_the_same_batch(case):
    first, again = (patches(case).batch(np.random.default_rng(5)) for _ in range(2))
    assert first[0].shape == (2, 3, 16, 16, 16)
    assert first[1].shape == (2, 2, 16, 16, 16)
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()


def test_without_clicks_the_third_channel_is_empty(case):
    image, _ = patches(case, without_clicks=1.0).batch(np.random.default_rng(0))
    assert not image[:, 2].any()


def test_lesion_patches_hold_a_lesion(case):
    source = patches(case, lesion_share=1.0, batch_size=8, augment=False)
    _, target = source.batch(np.random.default_rng(0))
    truth = target[:, 0]
    assert truth.flatten(1).any(dim=1).float().mean() > 0.6  # the patch lies askew around the voxel, so not all


def test_every_batch_holds_its_share_of_lesion_patches(case):
    healthy = replace(case, spots_zyx=np.zeros((0, 3), np.int64), organs_zyx=np.full_like(case.organs_zyx, UNKNOWN))
    source = replace(patches(case, lesion_share=0.5), cases=[healthy, healthy, healthy, case])
    rng = np.random.default_rng(0)
    first, second = np.array([source.batch(rng)[1][:, 1, 0, 0, 0].numpy() == UNKNOWN for _ in range(30)]).T
    assert not first.any()  # a lesion is cut from the only case that has one
    assert 0.5 < second.mean() < 1  # and anything from any of them


def test_a_share_that_is_no_whole_number_of_patches_is_met_on_average(case):
    healthy = replace(case, spots_zyx=np.zeros((0, 3), np.int64), organs_zyx=np.full_like(case.organs_zyx, UNKNOWN))
    source = replace(patches(case, lesion_share=0.25), cases=[healthy] * 50 + [case])
    rng = np.random.default_rng(0)
    firsts = np.array([float(source.batch(rng)[1][0, 1, 0, 0, 0]) != UNKNOWN for _ in range(100)])
    assert 0.4 < firsts.mean() < 0.65


def test_a_patch_beyond_the_image_is_filled_with_zeros(case):
    image, target = cut(case, np.array(case.truth_zyx.shape) - 4, (16, 16, 16))
    assert image[:2, :4, :4, :4].any()
    assert not image[:, 4:].any()
    assert target.shape == (2, 16, 16, 16)


def test_a_moved_ct_moves_alone(case):
    corner = np.array(case.truth_zyx.shape) // 3
    still, _ = cut(case, corner, (16, 16, 16))
    moved, _ = cut(case, corner, (16, 16, 16), (0, 2, -1))
    np.testing.assert_array_equal(moved[1], still[1])
    np.testing.assert_array_equal(moved[0, :, :-2, 1:], still[0, :, 2:, :-1])


def test_a_ct_that_cannot_move_stays(case):
    corner = np.array((0, 0, 0))
    still, _ = cut(case, corner, (16, 16, 16))
    np.testing.assert_array_equal(cut(case, corner, (16, 16, 16), (0, -1, 0))[0], still)


def test_organs_go_with_the_truth_and_are_unknown_without_a_map(case, phantom):
    np.testing.assert_array_equal(np.unique(case.organs_zyx), np.unique(organ_classes(phantom.organs.array_zyx)))
    bare = prepare_case(replace(Study.of(phantom), organs=None), PLANS, np.random.default_rng(0))
    _, target = cut(bare, np.array(bare.truth_zyx.shape) - 4, (16, 16, 16))
    assert (target[1] == UNKNOWN).all()


def test_edge_patches_touch_a_face(case):
    source = patches(case, lesion_share=0.0, hot_share=0.0, edge_share=1.0)
    room = np.array(case.truth_zyx.shape) - 16
    rng = np.random.default_rng(0)
    corners = np.array([source._elsewhere(case, np.zeros((0, 3)), rng) for _ in range(60)])
    assert ((corners == 0) | (corners == room)).any(axis=1).mean() > 0.8  # each axis with probability one half
    assert ((corners >= 0) & (corners <= room)).all()


def test_the_heatmap_of_another_scanner_has_another_width(case):
    own, wide = patches(case), patches(case, scanners_mm=((1.0, 1.0, 1.0),), spacing_mm=8.0)
    scales = {wide._scale(case, np.random.default_rng(n)) for n in range(20)}
    assert scales == {(1.0, 1.0, 1.0), (8.0, 8.0, 8.0)}
    assert own._scale(case, np.random.default_rng(0)) == (1.0, 1.0, 1.0)


def test_click_counts_stay_within_ten():
    rng = np.random.default_rng(0)
    counts = np.array([draw_counts(rng, 0.2) for _ in range(500)])
    assert counts.min() == 0
    assert counts.max() == 10
    assert 0.15 < (counts.sum(axis=1) == 0).mean() < 0.35


def test_a_crop_lies_where_it_lay():
    grid = Grid((4, 3, 2), (2.0, 3.0, 5.0), (10.0, 20.0, 30.0), STUDY_DIRECTION)
    whole = Volume(np.arange(24).reshape(2, 3, 4), grid)
    part = crop(whole, (slice(1, 2), slice(1, 3), slice(2, 4)))
    np.testing.assert_array_equal(part.array_zyx, [[[18, 19], [22, 23]]])
    assert part.grid.origin_mm == (14.0, 17.0, 35.0)  # y runs backwards


def test_a_shortened_study_keeps_its_images_together(phantom):
    short = shorten(phantom, np.random.default_rng(1))
    assert short.ct_hu.grid.same_as(short.truth.grid)
    assert short.ct_hu.grid.size_xyz[2] <= phantom.ct_hu.grid.size_xyz[2]


def test_a_z_scored_patch_has_the_statistics_of_its_image(case):
    """Where nothing is varied: zero is the mean of the whole channel, one its standard deviation."""
    plain, scored = (
        patches(case, augment=False, z_score=z_score).batch(np.random.default_rng(5))[0][:, 1].numpy()
        for z_score in (False, True)
    )
    channel = case.image_czyx[1].astype(float)
    inside = plain != 0  # the image may end before the patch
    np.testing.assert_allclose(scored[inside], ((plain - channel.mean()) / channel.std())[inside], rtol=1e-4, atol=1e-4)


def test_z_scores_are_drawn_anew_for_each_patch(case):
    """Two patches of one place differ by more than noise: the same case lies in other images."""
    source = patches(case, z_score=True)
    drawn = {source._own_statistics(case, np.random.default_rng(seed)) for seed in range(5)}
    assert len(drawn) == 5
    assert source._own_statistics(case, np.random.default_rng(0)) in drawn
