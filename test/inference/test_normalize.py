# SPDX-License-Identifier: Apache-2.0
"""Normalisations by hand; that they are nnU-Net's is shown in `test_parity`."""

import numpy as np
import pytest

from petlesion.inference.normalize import Intensity, Normalization, Scaling, Scheme, mean_and_std

INTENSITY = Intensity(mean=2.0, std=4.0, percentile_00_5=-2.0, percentile_99_5=10.0)


def line(*values):
    return np.array(values, dtype=np.float32).reshape(1, 1, -1)


def scaled(rule, image, mask=None):
    image = image.copy()
    Scaling.of(rule, image, mask).apply(image, mask)
    return image.ravel()


def test_no_normalisation_leaves_all_as_it_is():
    np.testing.assert_array_equal(scaled(Normalization(Scheme.NONE), line(-1, 0, 7)), [-1, 0, 7])


def test_ct_clips_then_scales():
    rule = Normalization(Scheme.CT, intensity=INTENSITY)
    np.testing.assert_array_equal(scaled(rule, line(-9, 0, 6, 99)), [-1, -1 / 2, 1, 2])


def test_ct_needs_training_statistics():
    with pytest.raises(ValueError, match="CTNormalization"):
        Normalization(Scheme.CT)


def test_z_score_by_hand():
    # mean 2, deviations -2, 0, 2: variance 8/3
    np.testing.assert_allclose(
        scaled(Normalization(Scheme.Z_SCORE), line(0, 2, 4)), np.array([-2, 0, 2]) / np.sqrt(8 / 3), rtol=1e-6
    )


def test_a_masked_z_score_neither_counts_nor_changes_what_is_outside():
    mask = line(1, 1, 0) > 0
    rule = Normalization(Scheme.Z_SCORE, use_mask=True)
    np.testing.assert_array_equal(scaled(rule, line(1, 3, 100), mask), [-1, 1, 100])


def test_rescaling_ends_at_0_and_1():
    np.testing.assert_array_equal(scaled(Normalization(Scheme.RESCALE), line(-2, 0, 6)), [0, 1 / 4, 1])


@pytest.mark.parametrize("scheme", [Scheme.Z_SCORE, Scheme.RESCALE])
def test_a_flat_image_becomes_zero(scheme):
    np.testing.assert_array_equal(scaled(Normalization(scheme), line(3.3, 3.3)), [0, 0])


def test_mean_and_deviation_of_nothing():
    assert mean_and_std(line(1, 2), line(0, 0) > 0) == (0.0, 0.0)


def test_mean_and_deviation_are_those_of_float64():
    image = np.random.default_rng(0).normal(1e3, 1.0, (9, 30, 30)).astype(np.float32)
    mean, std = mean_and_std(image)
    assert mean == pytest.approx(image.mean(dtype=np.float64), rel=1e-12)
    assert std == pytest.approx(image.std(dtype=np.float64), rel=1e-12)
