# SPDX-License-Identifier: Apache-2.0
"""Input channels by their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from petlesion.case import PetCtCase
from petlesion.clicks import Clicks
from petlesion.inference.channels import draw_channels
from petlesion.inference.heatmap import click_heatmap
from petlesion.recipes import BASELINE, MESBAH, SAFDARI
from petlesion.volume import Grid, Volume

GRID = Grid((20, 18, 16), (2.0, 2.0, 2.0))
CLICKS = Clicks(((5, 6, 7),), ((14, 12, 10),))


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    ct, pet = (rng.random(GRID.shape_zyx).astype(np.float32) for _ in range(2))
    return PetCtCase("a case", Volume(ct, GRID), Volume(pet, GRID), CLICKS)


def drawn(case, recipe, stage=0, mask=None):
    empty = np.zeros(GRID.shape_zyx, bool) if mask is None else mask
    return dict(zip(recipe.stages[stage].channels, draw_channels(case, recipe.stages[stage], empty), strict=True))


def test_images_are_taken_as_they_are(case):
    channels = drawn(case, MESBAH)
    assert channels["ct"] is case.ct_hu.array_zyx
    assert channels["pet"] is case.pet_suv.array_zyx
    np.testing.assert_array_equal(
        channels["clicks"], click_heatmap(CLICKS, case.pet_suv.array_zyx, MESBAH.stages[0].heatmap)
    )


def test_each_kind_of_click_has_a_channel_of_its_own(case):
    channels = drawn(case, BASELINE)
    for name, (x, y, z) in (("tumor_clicks", CLICKS.tumor_xyz[0]), ("background_clicks", CLICKS.background_xyz[0])):
        assert channels[name].dtype == np.float32
        assert (channels[name].min(), channels[name].max()) == (0.0, 1.0)
        assert channels[name][z, y, x] == 1.0
    assert channels["tumor_clicks"][10, 12, 14] < 0.01


def test_no_clicks_give_empty_channels(case):
    channels = drawn(replace(case, clicks=Clicks()), BASELINE)
    assert not channels["tumor_clicks"].any()
    assert not channels["background_clicks"].any()


def test_a_tumour_click_is_not_cut_by_the_pet_where_the_rule_cuts_nothing(case):
    x, y, z = CLICKS.tumor_xyz[0]
    around = drawn(case, BASELINE)["tumor_clicks"][z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2]
    assert around.min() > 0.5


def test_the_mask_of_the_stage_before(case):
    mask = case.pet_suv.array_zyx > 0.5
    np.testing.assert_array_equal(drawn(case, SAFDARI, stage=1, mask=mask)["mask"], mask.astype(np.float32))


def test_an_unknown_channel_and_clicks_without_a_rule_are_refused(case):
    for stage in (replace(MESBAH.stages[0], channels=("mri",)), replace(MESBAH.stages[0], heatmap=None)):
        with pytest.raises(ValueError, match="a channel is one of"):
            draw_channels(case, stage, np.zeros(GRID.shape_zyx, bool))
