# SPDX-License-Identifier: Apache-2.0
"""The recipes: what every one of them must say, and what they say of one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from petlesion.case import Tracer
from petlesion.inference.channels import CHANNELS
from petlesion.limits import UsageError
from petlesion.recipe import MonaiGrid
from petlesion.recipes import AHAMED, BASELINE, LESION_TRACER, MESBAH, RECIPES, SAFDARI

FOLDER = Path(__file__).resolve().parents[1] / "petlesion" / "recipes"
EVERY = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))


def test_the_five_systems_and_the_baseline():
    assert list(RECIPES) == ["mesbah", "lesion_tracer", "ahamed", "alloula", "safdari", "baseline"]


@EVERY
def test_a_recipe_fits_on_two_screens(recipe):
    assert len((FOLDER / f"{recipe.name}.py").read_text(encoding="utf-8").splitlines()) <= 120


def test_a_sixth_system_takes_one_short_file():
    assert len((FOLDER / "baseline.py").read_text(encoding="utf-8").splitlines()) < 60


@EVERY
def test_a_recipe_says_where_it_departs_from_its_paper(recipe):
    assert recipe.deviations
    assert all(line.endswith((".", ")")) for line in recipe.deviations)


@EVERY
def test_every_case_meets_an_ensemble_in_every_stage(recipe):
    for stage in recipe.stages:
        for tracer in Tracer:
            assert stage.serving(tracer)
        assert set(stage.channels) <= set(CHANNELS)
        assert ("mask" in stage.channels) == (stage is not recipe.stages[0])
        assert (stage.heatmap is not None) == any("clicks" in name for name in stage.channels)


@EVERY
def test_networks_and_their_training_come_from_one_framework(recipe):
    for stage in recipe.stages:
        for member in stage.members:
            monai = isinstance(stage.grid, MonaiGrid)
            assert (member.network is not None) == (member.training is not None) == monai
            assert (recipe.training is None) == monai
            if stage.grid is not None:
                assert len(stage.grid.channels) == len(stage.channels)


@EVERY
def test_roles_are_named_once(recipe):
    roles = [member.role for member in recipe.members()]
    assert len(set(roles)) == len(roles)
    assert "tracer" not in roles


@EVERY
def test_each_tracer_meets_as_many_ensembles(recipe):  # so that time can be shared out before the tracer is known
    assert len(recipe.members(Tracer.FDG)) == len(recipe.members(Tracer.PSMA))


def test_only_mesbah_asks_for_the_tracer():
    assert [recipe.name for recipe in RECIPES.values() if recipe.routes_by_tracer] == ["mesbah"]
    assert [member.role for member in MESBAH.members(Tracer.PSMA)] == ["psma"]
    assert [member.role for member in LESION_TRACER.members(None)] == ["all"]
    assert len(SAFDARI.members(Tracer.FDG)) == 4


def test_nnunet_trains_its_own_networks_alone():
    assert BASELINE.nnunet_training is BASELINE.training
    with pytest.raises(UsageError, match="ahamed is made of MONAI's networks"):
        _ = AHAMED.nnunet_training


def test_a_member_is_found_with_its_stage():
    stage, member = SAFDARI.placed("stage2_unet")
    assert stage is SAFDARI.stages[1]
    assert (member.network.name, stage.channels[-1]) == ("UNet", "mask")
    with pytest.raises(UsageError, match="ahamed has the roles all, not 'fdg'"):
        AHAMED.placed("fdg")
