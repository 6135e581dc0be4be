# SPDX-License-Identifier: Apache-2.0
"""The commands of the recipes whose networks are MONAI's, as the command line calls them."""

import argparse

import pytest

from petlesion.cli import main
from petlesion.commands import monai, prepare, train
from petlesion.limits import UsageError
from petlesion.recipes import AHAMED
from test.training.toy_studies import TOY_AHAMED, TOY_SAFDARI, write_studies


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return write_studies(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, studies):
    out = tmp_path_factory.mktemp("prepared")
    for recipe in (TOY_AHAMED, TOY_SAFDARI):
        given = parsed(prepare, "--recipe", recipe.name, "--data", studies, "--out", out, "--folds", 2)
        assert monai.prepare(given, recipe) == 0
    return out


def parsed(command, *options):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(option) for option in options])


def arguments(recipe, prepared, out, *more):
    common = ("--recipe", recipe.name, "--data", prepared, "--out", out, "--device", "cpu")
    return parsed(train, *common, "--epochs", 2, "--iterations", 1, *more)


def test_the_command_line_prepares_at_full_size_and_says_what(tmp_path, studies, capsys):
    assert main(["prepare", "--recipe", "ahamed", "--data", str(studies), "--out", str(tmp_path), "--folds", "2"]) == 0
    assert "5 studies of 4 patients in 2 folds, 1 of them without lesions" in capsys.readouterr().out


def test_a_fold_is_trained_and_gone_on_with(tmp_path, prepared, capsys):
    given = arguments(TOY_AHAMED, prepared, tmp_path, "--fold", 1, "--initial-rate", 0.01)
    assert monai.train(given, TOY_AHAMED) == 0
    assert "fold_1.pth: validation Dice" in capsys.readouterr().out
    with pytest.raises(UsageError, match="give --resume"):
        monai.train(given, TOY_AHAMED)
    given.resume = True
    assert monai.train(given, TOY_AHAMED) == 0
    given.epochs = 3
    with pytest.raises(UsageError, match="goes on with its own schedule"):
        monai.train(given, TOY_AHAMED)


def test_masks_of_the_first_stage_by_one_command(tmp_path, prepared, capsys):
    for fold in (0, 1):
        monai.train(arguments(TOY_SAFDARI, prepared, tmp_path, "--role", "stage1", "--fold", fold), TOY_SAFDARI)
    given = arguments(TOY_SAFDARI, prepared, tmp_path, "--role", "stage1", "--masks")
    assert monai.train(given, TOY_SAFDARI) == 0
    assert "4 masks made" in capsys.readouterr().out
    assert len(list((prepared / "safdari" / "masks").iterdir())) == 4


@pytest.mark.parametrize(
    ("recipe", "more", "said"),
    [
        (TOY_AHAMED, (), "give --fold"),
        (TOY_AHAMED, ("--fold", 0, "--pretrained", "x"), "--pretrained serve"),
        (TOY_AHAMED, ("--fold", 0, "--processes", 2), "--processes serve"),
        (TOY_AHAMED, ("--fold", 0, "--epochs", 0), "are positive"),
        (TOY_SAFDARI, ("--fold", 0), "stage1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, prepared, recipe, more, said):
    with pytest.raises(UsageError, match=said):
        monai.train(arguments(recipe, prepared, tmp_path, *more), recipe)


def test_a_data_set_of_another_size_is_refused(tmp_path, prepared):
    from petlesion.training.layouts import DataError  # noqa: PLC0415

    with pytest.raises(DataError, match="its present grid"):
        monai.train(arguments(AHAMED, prepared, tmp_path, "--fold", 0), AHAMED)
