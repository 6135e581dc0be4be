# SPDX-License-Identifier: Apache-2.0
"""Tiles that are left out: which, from when on, and what stands for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from petlesion.inference.ensemble import predict
from petlesion.inference.settling import AGREEING, CLEAR, Settling
from test.inference.test_ensemble import PATCH, Affine, plan_of

FOLDS = (0, 1, 2, 3)


class Counting(Affine):
    """Logit = the first channel + offset; counts its tiles."""

    def __init__(self, offset=0.0):
        super().__init__(1.0, offset, self.count)
        self.tiles = 0

    def count(self):
        self.tiles += 1


def networks():
    return {fold: Counting() for fold in FOLDS}


@pytest.fixture
def image():
    """Three tiles along x, with a step of one patch: clear, clear but for one voxel, lesion."""
    image = np.full((1, 4, 6, 12), 2 * CLEAR, np.float32)
    image[0, 1, 2, 5] = CLEAR
    image[0, :, :, 8:] = 5.0
    return image


def answers(image, **changes):
    used = networks()
    return used, predict(used, image, PATCH, replace(plan_of(FOLDS, step=1.0), **changes))


def test_a_tile_is_left_out_once_the_first_sweeps_have_found_it_clear(image):
    used, found = answers(image, settling=True)
    assert [network.tiles for network in used.values()] == [3, 3, 2, 2]
    assert found.tiles_left_out == 2


def test_the_margin_stands_for_the_answers_that_were_not_given(image):
    _, found = answers(image, settling=True)
    # two sweeps of 2 * CLEAR and two of CLEAR
    np.testing.assert_allclose(found.lead_zyx[..., :4], 1.5 * CLEAR, rtol=1e-5)
    np.testing.assert_allclose(found.lead_zyx[..., 4:], image[0, ..., 4:], rtol=1e-5)


def test_without_the_wish_every_tile_is_swept(image):
    used, found = answers(image)
    assert [network.tiles for network in used.values()] == [3, 3, 3, 3]
    assert found.tiles_left_out == 0
    np.testing.assert_allclose(found.lead_zyx, image[0], rtol=1e-5)


def test_all_of_the_first_sweeps_must_agree():
    settling = Settling(wanted=True)
    clear, lesion = torch.full((2, 2), CLEAR - 1), torch.tensor([[CLEAR - 1, CLEAR], [CLEAR, CLEAR]])
    for sweep in range(AGREEING):
        settling.see(sweep, 1, clear)
        settling.see(sweep, 2, clear if sweep else lesion)
    assert [settling.skips(AGREEING - 1, tile) for tile in (1, 2)] == [False, False]
    assert [settling.skips(AGREEING, tile) for tile in (1, 2)] == [True, False]
    assert settling.skipped(AGREEING) == 0
    assert settling.skipped(AGREEING + 3) == 3
