# SPDX-License-Identifier: Apache-2.0
"""The table of the systems."""

from __future__ import annotations

import json

import pytest

from petlesion import cli
from petlesion.commands.systems import row_of
from petlesion.recipes import MESBAH, RECIPES


@pytest.fixture(scope="module")
def rows(toy_weights):
    """What the command prints as JSON, for a store of mesbah's toy weights."""
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr("builtins.print", lambda text, **_: printed.append(text))
        assert cli.main(["systems", "--json", "--weights", str(toy_weights)]) == 0
    return json.loads(printed[0])


def test_each_ensemble_has_a_row(rows):
    wanted = [(recipe.name, member.role) for recipe in RECIPES.values() for member in recipe.members()]
    assert [(row["system"], row["role"]) for row in rows["ensembles"]] == wanted
    assert {name: held["citation"] for name, held in rows["systems"].items()} == {
        name: recipe.citation for name, recipe in RECIPES.items()
    }


def test_networks_have_their_published_size(rows):
    found = {(row["system"], row["role"]): row["parameters"] for row in rows["ensembles"]}
    assert found["ahamed", "all"] == 19_223_525
    assert round(found["mesbah", "fdg"] / 1e6, 1) == 102.4
    assert round(found["lesion_tracer", "all"] / 1e6, 1) == 102.4
    assert round(found["alloula", "all"] / 1e6, 1) == 31.2  # nnU-Net's plain U-Net of six stages


def test_weights_are_found_or_not(rows):
    found = {row["system"]: row["weights"] for row in rows["ensembles"]}
    assert found["mesbah"] == [{"folds": 2, "synthetic": True, "licence": "CC0-1.0"}]
    assert found["ahamed"] == []


def test_the_table_says_it_in_words(capsys, toy_weights):
    assert cli.main(["systems", "--weights", str(toy_weights)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "million parameters" in lines[0]
    assert "102.4" in lines[2]
    assert "2 folds, synthetic" in lines[2]
    assert lines[4].rstrip().endswith("none")


def test_no_store_is_no_weights():
    stage = MESBAH.stages[0]
    assert row_of(MESBAH, stage, stage.members[0], None)["weights"] == []


def test_a_store_that_is_not_there_is_named(tmp_path, capsys):
    assert cli.main(["systems", "--weights", str(tmp_path)]) == 4
    assert "manifest.json" in capsys.readouterr().err
