# SPDX-License-Identifier: Apache-2.0
"""Tiles cover everything, stay inside, and are those of nnU-Net, voxel for voxel and bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from petlesion.inference.tiles import (
    Tiling,
    gaussian_axes,
    importance,
    padding,
    tile_corners,
    tile_starts,
    weight_sum_axes,
)

STEPS = st.one_of(st.sampled_from([0.5, 0.6, 1.0, 0.3]), st.floats(0.05, 1.0))


@st.composite
def arrays_and_patches(draw, patches=(1, 40), largest_extra=120):
    patch = draw(st.tuples(*[st.integers(*patches)] * 3))
    extra = draw(st.tuples(*[st.integers(0, largest_extra)] * 3))
    return tuple(p + e for p, e in zip(patch, extra, strict=True)), patch


def test_an_array_of_one_patch_is_one_tile():
    assert tile_starts((4, 5, 6), (4, 5, 6), 0.5) == ((0,), (0,), (0,))
    assert tile_corners(((0,), (0,), (0,))) == ((0, 0, 0),)


def test_starts_by_hand():
    # 110 - 64 = 46 voxels to go in steps of at most 32: two steps of 23
    assert tile_starts((110, 64, 65), (64, 64, 64), 0.5) == ((0, 23, 46), (0,), (0, 1))


def test_the_last_axis_of_the_corners_runs_fastest():
    assert tile_corners(((0, 2), (0,), (0, 3))) == ((0, 0, 0), (0, 0, 3), (2, 0, 0), (2, 0, 3))


@settings(deadline=None)
@given(arrays_and_patches(), STEPS)
def test_tiles_lie_inside_and_cover_every_voxel(array_and_patch, step):
    shape, patch = array_and_patch
    for starts, size, tile in zip(tile_starts(shape, patch, step), shape, patch, strict=True):
        assert starts[0] == 0
        assert starts[-1] + tile == size
        gaps = np.diff(starts)
        assert (gaps > 0).all() or tile * step < 1
        assert (gaps <= max(np.ceil(tile * step), 1)).all()


@settings(deadline=None)
@given(arrays_and_patches(), STEPS)
def test_starts_are_those_of_nnunet(array_and_patch, step):
    window = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    shape, patch = array_and_patch
    expected = window.compute_steps_for_sliding_window(shape, patch, step)
    assert tile_starts(shape, patch, step) == tuple(tuple(axis) for axis in expected)


def test_an_array_smaller_than_the_patch_is_refused():
    with pytest.raises(ValueError, match="pad it first"):
        tile_starts((10, 10, 9), (10, 10, 10), 0.5)


@pytest.mark.parametrize("step", [0, -0.5, 1.1, float("nan")])
def test_a_step_out_of_its_range_is_refused(step):
    with pytest.raises(ValueError, match=r"in \(0, 1\]"):
        tile_starts((10, 10, 10), (10, 10, 10), step)


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 33)] * 3))
def test_importance_has_the_bits_of_the_whole_patch_gaussian(patch):
    impulse = np.zeros(patch)
    impulse[tuple(n // 2 for n in patch)] = 1
    weight = gaussian_filter(impulse, [n / 8 for n in patch], mode="constant")
    weight /= weight.max() / 10
    assert np.array_equal(importance(patch), weight.astype(np.float32))
    assert importance(patch).min() > 0


@pytest.mark.parametrize("patch", [(16, 24, 40), (17, 20, 23)])
def test_importance_is_that_of_nnunet(patch):
    torch = pytest.importorskip("torch")
    window = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    theirs = window.compute_gaussian(patch, 1 / 8, 10, torch.float32, torch.device("cpu"))
    assert np.array_equal(importance(patch), theirs.numpy())


def test_the_curves_are_symmetric_about_the_centre():
    for curve in gaussian_axes((9, 11, 13)):
        assert np.array_equal(curve, curve[::-1])


@settings(deadline=None, max_examples=40)
@given(arrays_and_patches((4, 12), 8), STEPS)
def test_the_sum_of_weights_is_a_product_of_three_curves(array_and_patch, step):
    shape, patch = array_and_patch
    starts = tile_starts(shape, patch, max(step, 0.3))
    brute = np.zeros(shape)
    for corner in tile_corners(starts):
        brute[tuple(slice(c, c + p) for c, p in zip(corner, patch, strict=True))] += importance(patch)
    z, y, x = weight_sum_axes(starts, patch, shape)
    np.testing.assert_allclose(z[:, None, None] * y[:, None] * x, brute, rtol=1e-5)


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 9)] * 3))
def test_padding_centres_the_array_as_nnunet_does(shape, patch):
    pad_nd_image = pytest.importorskip("acvl_utils.cropping_and_padding.padding").pad_nd_image
    array = np.ones(shape)
    assert np.array_equal(np.pad(array, padding(shape, patch)), pad_nd_image(array, patch))


def test_padding_by_hand():
    assert padding((3, 4, 9), (6, 4, 4)) == ((1, 2), (0, 0), (0, 0))


@settings(deadline=None, max_examples=40)
@given(
    *(st.tuples(*[st.integers(*ends)] * 3) for ends in ((1, 20), (4, 12))),
    st.floats(0.3, 1.0),
    st.sampled_from(["nnunet", "monai"]),
)
def test_an_array_stays_itself_through_tiling(shape, patch, step, window):
    """f(x) = 2x, tile by tile, weighted, summed, divided and unpadded, is 2x; twice over it is so too."""
    array = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    tiling = Tiling.of(shape, patch, step, window)
    padded, total = torch.from_numpy(tiling.pad(array)[0]), torch.zeros(tiling.padded_zyx)
    places = list(tiling.windows())
    for place in places * 2:
        total[place] += 2 * padded[place] * torch.from_numpy(tiling.importance())
    tiling.divide_by_weights(total, times=2)
    np.testing.assert_allclose(tiling.unpad(total.numpy()), 2 * array[0], rtol=1e-5, atol=1e-6)
    assert tiling.n_tiles == len(places)


def test_an_array_that_holds_a_patch_is_not_copied():
    array = np.zeros((2, 4, 4, 4), np.float32)
    assert Tiling.of((4, 4, 4), (4, 4, 3), 0.5).pad(array) is array
