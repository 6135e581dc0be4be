# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.transform import resize

from petlesion.inference import resample as module
from petlesion.inference.resample import (
    Resampling,
    ResamplingRule,
    nearest_slices,
    resample,
    resampled_shape,
    separate_axis,
    spline_matrix,
)
from test.nnunet_reference import quiet

SIZES = st.integers(1, 24)
SHAPES = st.tuples(SIZES, SIZES, SIZES)
SPACINGS = st.tuples(*[st.sampled_from([0.5, 1.0, 2.0, 2.0364201068878174, 3.0, 4.07283, 8.0])] * 3)


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 5, shape).astype(np.float32)


def run(source, job):
    out = np.full(job.new_shape, np.nan, dtype=np.float32)
    resample(source, job, out)
    return out


def test_nothing_changes_where_the_shape_stays():
    source = noise((3, 4, 5))
    job = Resampling((3, 4, 5), (3, 4, 5), order=3, apart=0)
    assert job.is_identity
    np.testing.assert_array_equal(run(source, job), source)


def test_linear_weights_by_hand():
    # Four cells over the length of two: centres at -1/4, 1/4, 3/4, 5/4 of the two samples 0 and 1.
    expected = [[1, 0], [3 / 4, 1 / 4], [1 / 4, 3 / 4], [0, 1]]
    np.testing.assert_allclose(spline_matrix(2, 4, 1), expected, atol=1e-12)
    # One cell over the length of two: the mean.
    np.testing.assert_allclose(spline_matrix(2, 1, 1), [[1 / 2, 1 / 2]], atol=1e-12)


@given(SIZES, SIZES, st.integers(0, 5))
def test_a_constant_stays_what_it_is(n_old, n_new, order):
    np.testing.assert_allclose(spline_matrix(n_old, n_new, order).sum(axis=1), 1.0, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(SHAPES, SHAPES, st.sampled_from([0, 1, 2, 3, 5]))
def test_it_is_what_scikit_image_does(old, new, order):
    source = noise(old)
    expected = resize(source.astype(np.float64), new, order, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(run(source, Resampling(old, new, order)), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("new", [(6, 20, 14), (31, 20, 14), (14, 20, 14), (14, 6, 8)])
@pytest.mark.parametrize("order", [1, 3])
def test_slabs_join_without_a_seam(monkeypatch, new, order):
    source, job = noise((14, 10, 12)), Resampling((14, 10, 12), new, order)
    at_once = run(source, job)
    monkeypatch.setattr(module, "SLAB_VOXELS", 2 * 20 * 14)
    np.testing.assert_allclose(run(source, job), at_once, rtol=0, atol=1e-5)


def test_slabs_of_a_long_image_leave_weights_out_that_do_not_count(monkeypatch):
    monkeypatch.setattr(module, "SLAB_VOXELS", 8)
    source = noise((200, 2, 2))
    for n in (130, 310):
        expected = resize(source.astype(np.float64), (n, 2, 2), 3, mode="edge", anti_aliasing=False)
        np.testing.assert_allclose(run(source, Resampling((200, 2, 2), (n, 2, 2), 3)), expected, rtol=0, atol=5e-5)


def test_a_spline_does_not_leave_the_range_of_its_input():
    source = np.zeros((1, 1, 8), dtype=np.float32)
    source[..., 4:] = 1.0
    free = spline_matrix(8, 24, 3) @ source[0, 0]
    assert free.min() < -0.05  # it would overshoot
    held = run(source, Resampling((1, 1, 8), (1, 1, 24), 3))[0, 0]
    assert (held.min(), held.max()) == (0.0, 1.0)
    np.testing.assert_allclose(held, free.clip(0, 1), atol=1e-6)


def test_apart_each_slice_is_clipped_to_its_own_range():
    source = np.zeros((2, 1, 8), dtype=np.float32)
    source[0, 0, 4:] = 1.0
    source[1] = -3.0
    held = run(source, Resampling((2, 1, 8), (4, 1, 24), 3, apart=0))
    assert held[:2].min() == 0.0
    np.testing.assert_array_equal(held[2:], -3.0)


def test_nearest_slices_by_hand():
    # Centres of 5 cells over 2: 0.2 * 2 * (i + 1/2) - 1/2 = -0.3, 0.1, 0.5, 0.9, 1.3; a half goes up.
    np.testing.assert_array_equal(nearest_slices(2, 5), [0, 0, 1, 1, 1])
    # Two cells over 5: 0.75 and 3.25.
    np.testing.assert_array_equal(nearest_slices(5, 2), [1, 3])


@pytest.mark.parametrize(
    ("spacing", "new_spacing", "force", "axis"),
    [
        ((3.0, 2.0, 2.0), (3.0, 2.0, 2.0), None, None),
        ((8.0, 2.0, 2.0), (3.0, 2.0, 2.0), None, 0),
        ((2.0, 6.0, 2.0), (3.0, 2.0, 2.0), None, None),  # a ratio of exactly 3 is not above 3
        ((3.0, 2.0, 2.0), (2.0, 2.0, 7.0), None, 2),
        ((0.5, 2.0, 2.0), (3.0, 2.0, 2.0), None, None),  # two axes share the coarsest spacing
        ((3.0, 2.0, 2.0), (3.0, 2.0, 2.0), True, 0),
        ((2.0, 2.0, 2.0), (8.0, 2.0, 2.0), True, None),
        ((8.0, 2.0, 2.0), (3.0, 2.0, 2.0), False, None),
    ],
)
def test_which_axis_is_resampled_apart(spacing, new_spacing, force, axis):
    assert separate_axis(spacing, new_spacing, force=force) == axis


@settings(max_examples=60, deadline=None)
@given(SHAPES, SPACINGS, SPACINGS, st.sampled_from([None, True, False]), st.sampled_from([1, 3]))
def test_it_is_what_nnunet_does(old, spacing, new_spacing, force, order):
    with quiet():
        from nnunetv2.preprocessing.resampling import default_resampling as nnunet  # noqa: PLC0415

    new = resampled_shape(old, spacing, new_spacing)
    expected_shape = nnunet.compute_new_shape(old, spacing, new_spacing)
    assume(expected_shape.min() > 0 and np.prod(new) < 1e5)
    assert new == tuple(expected_shape)
    source = noise(old)
    expected = nnunet.resample_data_or_seg_to_shape(
        source[None], new, spacing, new_spacing, order=order, force_separate_z=force
    )[0]
    job = Resampling.between((old, new), (spacing, new_spacing), ResamplingRule(order, force))
    np.testing.assert_allclose(run(source, job), expected, rtol=0, atol=5e-5)


def test_an_axis_is_never_rounded_away():
    assert resampled_shape((1, 10, 10), (1.0, 1.0, 1.0), (3.0, 1.0, 2.0)) == (1, 10, 5)


def test_the_sign_of_a_logit_into_a_view_of_a_mask():
    logit = np.array([[[-1.0, 1.0]]], dtype=np.float32)
    mask = np.zeros((4, 1, 3), dtype=np.bool_)  # (x, z, y), of which y = 1 is written
    view = mask[:, :, 1:2].transpose(1, 2, 0)
    resample(logit, Resampling((1, 1, 2), (1, 1, 4), 1), view, lambda slab: slab > 0)
    np.testing.assert_array_equal(mask[:, 0, 1], [False, False, True, True])
    assert not mask[:, :, [0, 2]].any()


def test_read_only_input_is_taken_too():
    source, job = noise((4, 5, 6)), Resampling((4, 5, 6), (5, 5, 9), 3)
    expected = run(source, job)
    source.flags.writeable = False
    np.testing.assert_array_equal(run(source, job), expected)


def test_a_voxel_changes_nothing_that_is_far_from_it():
    job = Resampling((90, 6, 6), (120, 6, 6), order=3)
    source = np.zeros((90, 6, 6), np.float32)
    source[88], source[89] = 100, -100  # the range to which a spline is cut stays
    changed = source.copy()
    changed[10] += 3
    differs = (run(source, job) != run(changed, job)).any(axis=(1, 2))
    # the spline's weights fall by 0.268 a voxel, and below 3e-8 after 14 of them: 24 voxels are 32 of the new ones
    assert differs[13]
    assert not differs[34:].any()
