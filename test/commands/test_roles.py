# SPDX-License-Identifier: Apache-2.0
"""Roles of recipes on the command line: which there are, which are refused, and who trains them."""

import pytest

from petlesion import cli
from petlesion.commands import monai
from petlesion.commands.roles import check_role
from petlesion.limits import UsageError
from petlesion.recipes import LESION_TRACER, MESBAH, RECIPES


def test_a_recipes_roles_are_those_of_its_members_and_the_tracers_where_it_decides():
    for role in ("fdg", "psma", "tracer"):
        check_role(MESBAH, role)
    check_role(LESION_TRACER, "all")
    check_role(MESBAH, "all", "all")
    with pytest.raises(UsageError, match="mesbah has fdg, psma, tracer; got all"):
        check_role(MESBAH, "all")
    with pytest.raises(UsageError, match="lesion_tracer has all; got tracer"):
        check_role(LESION_TRACER, "tracer")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("train --data D --fold 0 --recipe alloula --role fdg", "alloula has all; got fdg"),
        ("train --data D --fold 0 --role all", "give --role fdg or psma, and --fold"),
        ("train --data D --recipe baseline", "give --role all, and --fold"),
        ("train --synthetic --recipe baseline", "small weights are trained of"),
        ("train --synthetic --recipe safdari --role stage1", "--synthetic trains all ensembles of safdari"),
        ("prepare --data D --recipe baseline --role psma", "baseline has all; got psma"),
        ("prepare --data D --role tracer", "nothing is to be prepared"),
        ("weights import D --recipe lesion_tracer --role fdg", "lesion_tracer has all; got fdg"),
        ("weights import D --recipe mesbah --role all", "mesbah has fdg, psma, tracer; got all"),
    ],
)
def test_a_role_that_the_recipe_does_not_have_is_refused_by_name(words, sentence, tmp_path, capsys):
    assert cli.main([*words.split(), "--out", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["prepare", "train"])
def test_networks_of_monai_are_trained_elsewhere(command, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(monai, command, lambda arguments, recipe: seen.append((arguments.role, recipe)) or 0)
    assert cli.main([command, "--recipe", "ahamed", "--data", "D", "--out", str(tmp_path)]) == 0
    assert seen == [("all", RECIPES["ahamed"])]
