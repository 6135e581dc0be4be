# SPDX-License-Identifier: Apache-2.0
"""The command that runs a training, and how nnU-Net finds the trainer."""

import os
import sys
from pathlib import Path
from unittest import mock

import pytest

from petlesion.limits import UsageError
from petlesion.training.launch import EXTERNAL, Launch, find_trainer
from petlesion.training.trainers import PetlesionTrainerFDG, PetlesionTrainerPSMA
from test.nnunet_reference import quiet

LAUNCH = Launch(Path("data"), Path("results"), "Dataset701_mesbah_fdg", "PetlesionTrainerFDG", "petlesionPlans", 2)


def test_the_environment_is_that_of_the_process_alone():
    before = dict(os.environ)
    words = LAUNCH.command()
    assert os.environ == before
    assert words[0] == "env"
    assert {word.split("=")[0] for word in words if word.startswith("nnUNet")} == {
        "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "nnUNet_extTrainer",
    }  # fmt: skip
    assert words[words.index("petlesion.training.launch") + 1 :] == [
        "Dataset701_mesbah_fdg", "2", "PetlesionTrainerFDG", "petlesionPlans", "--device", "cuda",
    ]  # fmt: skip


def test_several_processes_are_torchruns():
    words = Launch(
        *[getattr(LAUNCH, name) for name in LAUNCH.__slots__[:6]], processes=2, workers=3, resume=True
    ).command()
    assert words[words.index("torch.distributed.run") - 1 :][:8] == [
        "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m",
    ]  # fmt: skip
    assert "nnUNet_n_proc_DA=3" in words
    assert words[-1] == "--resume"


def test_the_trainers_are_found_in_the_external_folder(monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join(["", str(EXTERNAL)]))
    assert find_trainer("PetlesionTrainerFDG") is PetlesionTrainerFDG
    assert find_trainer("PetlesionTrainerPSMA") is PetlesionTrainerPSMA
    with pytest.raises(UsageError, match="hold no Nobody"):
        find_trainer("Nobody")


def test_stock_nnunet_finds_them_too(monkeypatch):
    # Its search imports all of its own trainers first. One of them needs timm and torchvision, which we do not.
    monkeypatch.setitem(sys.modules, "dynamic_network_architectures.architectures.primus", mock.MagicMock())
    with quiet():
        from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name  # noqa: PLC0415

        monkeypatch.setenv("nnUNet_extTrainer", str(EXTERNAL))
        assert recursive_find_trainer_class_by_name("PetlesionTrainerPSMA") is PetlesionTrainerPSMA
