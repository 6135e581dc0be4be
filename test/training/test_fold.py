# SPDX-License-Identifier: Apache-2.0
"""What is refused before a training begins."""

import json
import shutil

import pytest
import torch

from petlesion.inference.networks import WeightsError, network_from_plans
from petlesion.limits import UsageError
from petlesion.training.fold import FoldTraining
from petlesion.training.layouts import DataError
from petlesion.training.settings import TrainingSettings


def fold(prepared, tmp_path, number=0, *, role="fdg", resume=False, **changes):
    return FoldTraining(prepared.out, tmp_path / "results", role, number, resume, changes)


def test_a_fold_that_is_ready(prepared, tmp_path):
    one = fold(prepared, tmp_path, epochs=3)
    settings = one.make_ready()
    assert (settings.epochs, settings.iterations) == (3, 350)
    assert TrainingSettings.load(one.folder) == settings
    assert one.folder.parts[-3:] == (
        "Dataset701_mesbah_fdg",
        "PetlesionTrainerFDG__petlesionPlans__3d_fullres",
        "fold_0",
    )


def test_a_data_set_is_needed(prepared, tmp_path):
    with pytest.raises(
        DataError,
        match=r"Dataset702_mesbah_psma or Dataset700_mesbah; .* run petlesion prepare --recipe mesbah --role psma",
    ):
        fold(prepared, tmp_path, role="psma").make_ready()


def test_the_data_set_of_both_tracers_serves(prepared, tmp_path):
    shutil.copytree(
        prepared.folders.preprocessed, tmp_path / "both" / "nnUNet_preprocessed" / "Dataset700_mesbah", symlinks=True
    )
    one = FoldTraining(tmp_path / "both", tmp_path / "results", "psma", 0)
    assert one.make_ready().iterations == 250


@pytest.mark.parametrize("number", [-1, 2])
def test_the_fold_must_be_there(prepared, tmp_path, number):
    with pytest.raises(DataError, match="has the folds 0 to 1"):
        fold(prepared, tmp_path, number).make_ready()


def test_cases_that_are_not_prepared_are_counted(prepared, tmp_path):
    base = tmp_path / "nnUNet_preprocessed" / "Dataset701_mesbah_fdg"
    base.mkdir(parents=True)
    for name in ("petlesionPlans.json", "splits_final.json"):
        shutil.copy(prepared.folders.preprocessed / name, base)
    with pytest.raises(DataError, match="4 cases are not prepared yet"):
        FoldTraining(tmp_path, tmp_path / "results", "fdg", 0).make_ready()


def test_a_training_is_not_begun_twice_and_keeps_its_settings(prepared, tmp_path):
    one = fold(prepared, tmp_path, epochs=3)
    one.make_ready()
    (one.folder / "checkpoint_latest.pth").write_bytes(b"")
    with pytest.raises(UsageError, match=r"checkpoint_latest.pth\); give --resume"):
        fold(prepared, tmp_path).make_ready()
    resumed = fold(prepared, tmp_path, resume=True, iterations=7).make_ready()
    assert (resumed.epochs, resumed.iterations) == (3, 7)


def test_pretrained_weights_are_held_against_the_network(prepared, tmp_path):
    plans = json.loads((prepared.folders.preprocessed / "petlesionPlans.json").read_text())
    path = tmp_path / "pretrained.pth"
    torch.save({"network_weights": network_from_plans(plans, "3d_fullres", 1, 5).state_dict()}, path)
    assert fold(prepared, tmp_path, pretrained=str(path)).make_ready().pretrained == str(path)
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = [4, 8, 4]
    torch.save({"network_weights": network_from_plans(plans, "3d_fullres", 1, 5).state_dict()}, path)
    with pytest.raises(WeightsError, match=r"pretrained.pth: .*must have the shape"):
        fold(prepared, tmp_path, 1, pretrained=str(path)).make_ready()
