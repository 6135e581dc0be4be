# SPDX-License-Identifier: Apache-2.0
"""Crop, transpose and the way back; that the numbers are nnU-Net's is shown in `test_parity`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.inference.body import Box
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.preprocess import (
    FAINT,
    PrepareError,
    nonzero_box,
    patch_extent,
    prepare,
    restore,
)
from petlesion.inference.resample import Resampling, resample
from petlesion.inference.tile_memory import MemoryTiles
from test.inference.restoring import OUTSIDE_LOGIT, restore_logit
from test.nnunet_reference import toy_dataset, toy_plans

SPACING_MM = (3.0, 2.0, 1.0)


def plans_of(names=("PET",), spacing_mm=SPACING_MM, forward=(0, 1, 2), scheme="NoNormalization", masked=False):
    plans = toy_plans((8, 8, 8), spacing_mm, forward, (scheme,) * len(names), (masked,) * len(names))
    return NnunetPlans.parse(plans, toy_dataset(names))


def counting(shape):
    """1, 2, 3, ... in array order, so that every voxel is told from every other."""
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def test_an_empty_image_is_kept_whole():
    given_input = prepare([np.zeros((2, 3, 4), np.float32)], SPACING_MM, plans_of())
    assert given_input.array_czyx.shape == (1, 2, 3, 4)
    assert not given_input.array_czyx.any()
    assert not restore(np.zeros((2, 3, 4), np.float32), given_input).any()


def test_on_the_plans_spacing_the_image_is_what_it_was():
    image = counting((2, 3, 4))
    given_input = prepare([image], SPACING_MM, plans_of())
    np.testing.assert_array_equal(given_input.array_czyx[0], image)
    assert given_input.array_czyx.dtype == np.float32
    assert not np.shares_memory(given_input.array_czyx, image)


def test_zeros_around_all_channels_are_cropped_off_and_come_back_as_background():
    ct, pet = np.zeros((2, 4, 5, 6), np.float32)
    ct[1, 2, 3] = 5.0
    pet[2, 3, 1] = 7.0
    assert nonzero_box([ct, pet]) == Box((1, 2, 1), (3, 4, 4))
    given_input = prepare([ct, pet], SPACING_MM, plans_of(("CT", "PET")))
    np.testing.assert_array_equal(given_input.array_czyx, np.stack([ct, pet])[:, 1:3, 2:4, 1:4])
    mask = restore(np.ones((2, 2, 3), np.float32), given_input)
    expected = np.zeros((4, 5, 6), bool)
    expected[1:3, 2:4, 1:4] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_transposed_network_sees_transposed_axes():
    image = counting((2, 3, 4))
    given_input = prepare([image], SPACING_MM, plans_of(spacing_mm=(1.0, 3.0, 2.0), forward=(2, 0, 1)))
    np.testing.assert_array_equal(given_input.array_czyx[0], image.transpose(2, 0, 1))
    logit = np.where(given_input.array_czyx[0] == image[1, 2, 3], 1.0, -1.0).astype(np.float32)
    assert np.argwhere(restore(logit, given_input)).tolist() == [[1, 2, 3]]


def test_a_box_takes_voxels_away_and_changes_none():
    image = counting((6, 6, 6))
    box = Box((1, 0, 2), (5, 3, 6))
    for scheme in ("NoNormalization", "ZScoreNormalization", "RescaleTo01Normalization"):
        for masked in (False, True):
            plans = plans_of(scheme=scheme, masked=masked)
            whole = prepare([image], SPACING_MM, plans).array_czyx
            part = prepare([image], SPACING_MM, plans, box)
            np.testing.assert_array_equal(part.array_czyx, whole[:, *box.slices])
            assert part.box == box


def test_a_box_and_the_crop_give_what_they_share():
    image = np.zeros((4, 4, 4), np.float32)
    image[1:, 1:, 1:] = 1.0
    assert prepare([image], SPACING_MM, plans_of(), Box((0, 0, 0), (3, 4, 4))).box == Box((1, 1, 1), (3, 4, 4))
    assert prepare([image], SPACING_MM, plans_of(), Box((0, 0, 0), (1, 4, 4))).box == Box((0, 0, 0), (1, 4, 4))


def test_holes_count_as_inside_and_air_does_not():
    image = np.zeros((5, 5, 5), np.float32)
    image[1:4, 1:4, 1:4] = 4.0
    image[2, 2, 2] = 0.0  # a hole: 26 voxels of 4 and one of 0 count, the 98 around them do not
    image[0, 0, 0], image[4, 4, 4] = 4.0, 4.0  # corners, so that nothing is cropped off
    array = prepare([image], SPACING_MM, plans_of(scheme="ZScoreNormalization", masked=True)).array_czyx[0]
    mean = 4.0 * 28 / 29
    std = np.sqrt(4.0**2 * 28 / 29 - mean**2)
    assert array[2, 2, 2] == pytest.approx(-mean / std, rel=1e-5)
    assert array[1, 1, 1] == pytest.approx((4.0 - mean) / std, rel=1e-4)
    assert array[0, 2, 2] == 0.0


def test_a_logit_of_zero_is_background():
    given_input = prepare([counting((1, 1, 3))], SPACING_MM, plans_of())
    logit = np.array([[[-1.0, 0.0, 1e-6]]], np.float32)
    np.testing.assert_array_equal(restore(logit, given_input)[0, 0], [False, False, True])


def test_a_linear_logit_comes_back_linear():
    # Two voxels of 2 mm over four of 1 mm: 0 and 4 become 0, 1, 3, 4.
    image = np.zeros((1, 1, 6), np.float32)
    image[..., 1:5] = 1.0
    given_input = prepare([image], (3.0, 2.0, 1.0), plans_of(spacing_mm=(3.0, 2.0, 2.0)))
    assert given_input.array_czyx.shape == (1, 1, 1, 2)
    logit = restore_logit(np.array([[[0.0, 4.0]]], np.float32), given_input)
    np.testing.assert_allclose(logit[0, 0], [OUTSIDE_LOGIT, 0, 1, 3, 4, OUTSIDE_LOGIT], atol=1e-6)


SIZES = st.integers(2, 12)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(SIZES, SIZES, SIZES),
    st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 4.0])] * 3),
    st.permutations([0, 1, 2]),
    st.integers(0, 2**32 - 1),
)
def test_the_mask_is_where_the_logit_is_positive(shape, spacing_mm, forward, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape).astype(np.float32)
    given_input = prepare([image], spacing_mm, plans_of(forward=tuple(forward)))
    logit = rng.normal(size=given_input.array_czyx.shape[1:]).astype(np.float32)
    mask = restore(logit, given_input)
    assert mask.shape == shape
    np.testing.assert_array_equal(mask, restore_logit(logit, given_input) > 0)


def test_the_patch_in_voxels_of_the_image():
    # 8 voxels of 3, 2, 1 mm on an image of 2, 2, 3 mm
    assert patch_extent(plans_of(), (2.0, 2.0, 3.0)) == (12, 8, 3)
    # the network's first axis is the image's last
    transposed = plans_of(spacing_mm=(3.0, 2.0, 1.0), forward=(2, 0, 1))
    assert patch_extent(transposed, (2.0, 2.0, 3.0)) == (8, 4, 8)


def test_channels_must_fit():
    with pytest.raises(PrepareError, match="1 channels"):
        prepare([counting((2, 2, 2))] * 2, SPACING_MM, plans_of())
    with pytest.raises(PrepareError, match="one shape"):
        prepare([counting((2, 2, 2)), counting((2, 2, 3))], SPACING_MM, plans_of(("CT", "PET")))


def test_a_logit_must_be_on_the_networks_grid():
    given_input = prepare([counting((2, 3, 4))], SPACING_MM, plans_of())
    with pytest.raises(PrepareError, match=r"\(2, 3, 4\)"):
        restore(np.zeros((2, 3, 5), np.float32), given_input)


def test_channels_that_were_prepared_before_are_found_and_others_are_not():
    def prepared(ct, pet, schemes, box=None, into=None):
        plans = NnunetPlans.parse(toy_plans(schemes=schemes), toy_dataset(), "3d_fullres")
        return prepare((ct, pet, clicks), (6.0, 4.0, 4.0), plans, box, into).array_czyx

    rng, memory = np.random.default_rng(0), MemoryTiles()
    ct, pet, clicks = (rng.normal(size=(8, 10, 12)).astype(np.float32) for _ in range(3))
    given = ("CTNormalization", "ZScoreNormalization", "NoNormalization")
    box = Box((1, 1, 1), (7, 9, 11))
    cases = [  # arguments, and how many channels are new
        ((ct, pet, given), 3),
        ((ct, pet, given), 0),
        ((ct, ct, given), 1),  # by another rule
        ((ct, pet, given, box), 3),
        ((pet, pet, given), 1),
        ((ct, pet, ("NoNormalization", *given[1:])), 1),
    ]
    for arguments, n_new in cases:
        before = len(memory.held)
        recalled = prepared(*arguments, into=memory)
        assert recalled.tobytes() == prepared(*arguments).tobytes()
        assert len(memory.held) - before == n_new


@pytest.mark.parametrize("clicked", [1.0, -1.0])
def test_a_channel_of_clicks_loses_what_a_spline_leaves_far_away_and_nothing_else(clicked):
    pet = np.random.default_rng(0).normal(size=(40, 41, 42)).astype(np.float32)
    clicks = np.zeros_like(pet)
    clicks[20, 20, 20] = clicked
    clicks[0, 0, 0] = -clicked  # the range lets the spline swing below zero
    finer = tuple(s / 2 for s in SPACING_MM)
    plans = toy_plans((8, 8, 8), finer, (0, 1, 2), ("ZScoreNormalization", "NoNormalization"), (False, False))
    found = prepare([pet, clicks], SPACING_MM, NnunetPlans.parse(plans, toy_dataset(("PET", "CLICKS"))))
    there = Resampling(clicks.shape, (80, 82, 84), 3)
    plain = np.empty(there.new_shape, np.float32)
    resample(clicks, there, plain)
    np.testing.assert_array_equal(found.array_czyx[1], np.where(np.abs(plain) > FAINT, plain, 0))
    reached = np.argwhere(found.array_czyx[1][20:]) + np.array([20, 0, 0])
    assert 4 <= np.abs(reached - 40.5).max() <= 2 * 8  # voxels of the image are two of the network's each
    resample((pet - pet.mean()) / pet.std(), there, plain)
    np.testing.assert_allclose(found.array_czyx[0], plain, rtol=0, atol=1e-5)
    assert (np.abs(found.array_czyx[0]) < FAINT).any()
