# SPDX-License-Identifier: Apache-2.0
"""Statistics of images that a case could have been."""

import numpy as np
import pytest

from petlesion.training.own_statistics import SliceSums

CHANNEL = np.random.default_rng(0).gamma(1.0, 2.0, (8, 5, 4)).astype(np.float16)


def test_the_whole_image():
    mean, spread = SliceSums.of(CHANNEL).whole()
    assert mean == pytest.approx(CHANNEL.astype(float).mean())
    assert spread == pytest.approx(CHANNEL.astype(float).std())


def test_air_beside_a_uniform_body():
    """A body of 3 with a share s of air of 1: mean 3 - 2s, standard deviation 2 sqrt(s (1 - s))."""
    sums = SliceSums.of(np.full((4, 2, 2), 3.0))
    rng = np.random.default_rng(1)
    for mean, spread in (sums.drawn(rng, air=1.0) for _ in range(50)):
        share = (3 - mean) / 2
        assert 0 <= share <= 0.75
        assert spread == pytest.approx(max(2 * np.sqrt(share * (1 - share)), 1e-3), abs=1e-6)


def test_runs_of_slices_are_parts_of_the_image():
    """Slice k holds k alone; a run of m slices without air has the mean of its ends."""
    sums = SliceSums.of(np.repeat(np.arange(8.0), 4).reshape(8, 2, 2))
    means = {sums._of(slice(first, first + 2))[0] for first in range(7)}
    assert means == {k + 0.5 for k in range(7)}


def test_the_same_seed_draws_the_same():
    sums = SliceSums.of(CHANNEL)
    assert sums.drawn(np.random.default_rng(3), 0.0) == sums.drawn(np.random.default_rng(3), 0.0)
    assert sums.drawn(np.random.default_rng(3), 0.0) != sums.drawn(np.random.default_rng(4), 0.0)


def test_an_image_of_one_value_has_a_spread():
    assert SliceSums.of(np.zeros((2, 2, 2))).whole() == (0.0, 1e-3)
