# SPDX-License-Identifier: Apache-2.0
"""The trainers: what they do otherwise than nnU-Net, one by one, and a training that is killed and goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss, SoftDiceLoss
from nnunetv2.utilities.helpers import softmax_helper_dim1

from petlesion import cli
from petlesion.images import read_image
from petlesion.inference.weights import ModelStore
from petlesion.limits import UsageError
from petlesion.training.launch import EXTERNAL, Launch
from petlesion.training.organ_decoder import LesionAndOrganLoss, OrganDecoder
from petlesion.training.settings import TrainingSettings
from petlesion.training.trainers import PetlesionTrainerFDG, PetlesionTrainerPSMA, checkpoint_activations

ROOT = Path(__file__).resolve().parents[2]
SMALL = TrainingSettings(epochs=2, iterations=2, initial_rate=1e-2, validation_iterations=1, save_every=1)
MODEL = Path("Dataset701_mesbah_fdg", "PetlesionTrainerFDG__petlesionPlans__3d_fullres")


@pytest.fixture
def make(prepared, monkeypatch, tmp_path, capsys):
    """Makes a trainer of the prepared data set, in the environment of `Launch.command`."""
    monkeypatch.setenv("nnUNet_preprocessed", str(prepared.out / "nnUNet_preprocessed"))
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")

    def make(kind=PetlesionTrainerFDG, settings=None, *, organs=True, seed=0):
        folder = prepared.folders.preprocessed
        plans, dataset = (json.loads((folder / f"{name}.json").read_text()) for name in ("petlesionPlans", "dataset"))
        if not organs:
            del plans["petlesion_organs"]
        if settings:
            settings.save(tmp_path / MODEL / "fold_0")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            trainer = kind(plans | {"continue_training": False}, "3d_fullres", 0, dataset, torch.device("cpu"))
            trainer.initialize()
        capsys.readouterr()
        return trainer

    return make


def test_the_published_schedule(make):
    fdg, psma = make(), make(PetlesionTrainerPSMA)
    assert (fdg.num_epochs, fdg.num_iterations_per_epoch, fdg.initial_lr) == (1500, 350, 1e-3)
    assert (psma.num_epochs, psma.num_iterations_per_epoch) == (1500, 250)


def test_settings_come_from_the_folds_folder(make):
    trainer = make(settings=SMALL)
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch) == (2, 2, 1)
    assert (trainer.initial_lr, trainer.save_every) == (1e-2, 1)


def test_dice_is_nnunets_own_without_smoothing(make):
    trainer = make(organs=False)
    dice = trainer.loss.loss.dc
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 4, 4, 4, generator=generator)
    truth = torch.randint(0, 2, (2, 1, 4, 4, 4), generator=generator)
    same = {"apply_nonlin": softmax_helper_dim1, "batch_dice": True, "do_bg": False, "ddp": False}
    for kind in (MemoryEfficientSoftDiceLoss, SoftDiceLoss):
        torch.testing.assert_close(dice(logits, truth), kind(**same, smooth=0)(logits, truth))
    assert dice(logits, truth) != MemoryEfficientSoftDiceLoss(**same, smooth=1.0)(logits, truth)
    # By hand: probability 1/2 on two voxels, one of them lesion: 2 * 1/2 / (1 + 1)
    assert float(dice(torch.zeros(1, 2, 1, 1, 2), torch.tensor([[[[[1, 0]]]]]))) == pytest.approx(-1 / 2)


def test_the_organ_head_is_there_where_the_plans_name_organs(make):
    trainer, without = make(), make(organs=False)
    assert isinstance(trainer.network.decoder, OrganDecoder)
    assert trainer.network.decoder.organ_seg_layers[0].out_channels == 15
    assert isinstance(trainer.loss.loss, LesionAndOrganLoss)
    assert trainer.loss.loss.organs.dc.smooth == 0
    assert not isinstance(without.network.decoder, OrganDecoder)


def test_batches_and_steps(make):
    trainer = make(settings=SMALL)
    np.random.seed(0)  # noqa: NPY002 - nnU-Net's patches and transforms draw from numpy and torch
    torch.manual_seed(0)
    training, validation = trainer.get_dataloaders()
    assert isinstance(training, SingleThreadedAugmenter)
    batch, held_out = next(training), next(validation)
    assert [tuple(t.shape) for t in batch["target"]] == [(2, 2, 16, 16, 16), (2, 2, 8, 8, 8)]
    assert [tuple(t.shape) for t in held_out["target"]] == [(2, 1, 16, 16, 16), (2, 1, 8, 8, 8)]
    assert batch["data"].shape == held_out["data"].shape == (2, 3, 16, 16, 16)
    assert batch["data"][:, 2].abs().max() <= 1
    trainer.network.train()
    losses = [float(trainer.train_step(batch)["loss"]) for _ in range(8)]
    assert losses[2] < losses[0]  # two steps later
    assert losses[-1] < losses[0] - 0.05
    trainer.network.eval()
    with torch.no_grad():
        assert trainer.validation_step(held_out)["tp_hard"].shape == (1,)


def test_without_organs_the_target_is_the_lesion_alone(make):
    batch = next(make(settings=SMALL, organs=False).get_dataloaders()[0])
    assert batch["target"][0].shape == (2, 1, 16, 16, 16)


def test_pretrained_weights_are_taken_unless_a_checkpoint_is_there(make, tmp_path):
    source = tmp_path / "pretrained.pth"
    other = make(seed=1).network.state_dict()
    stem = "encoder.stem.convs.0.conv.weight"
    one_channel = {key: t.sum(1, keepdim=True) if t.shape == other[stem].shape else t for key, t in other.items()}
    torch.save({"network_weights": one_channel}, source)
    settings = replace(SMALL, pretrained=str(source))
    found = make(settings=settings).network.state_dict()
    torch.testing.assert_close(found[stem], other[stem].sum(1, keepdim=True).repeat(1, 3, 1, 1, 1) / 3)
    head = "decoder.seg_layers.0.weight"
    assert not torch.equal(found[head], other[head])
    (tmp_path / MODEL / "fold_0" / "checkpoint_latest.pth").write_bytes(b"")
    assert not torch.equal(make(settings=settings).network.state_dict()[stem], found[stem])


def test_activations_that_are_computed_twice_give_the_same_gradients(make):
    kept, twice = make(), make()
    twice.network.load_state_dict(kept.network.state_dict())
    checkpoint_activations(twice.network)
    image = torch.rand(1, 3, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    for trainer in (kept, twice):
        sum(out.square().sum() for out in trainer.network.train()(image)).backward()
    for one, other in zip(kept.network.parameters(), twice.network.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    assert kept.network.state_dict().keys() == twice.network.state_dict().keys()


def test_nnunet_makes_no_split_of_its_own(make, tmp_path):
    trainer = make()
    trainer.preprocessed_dataset_folder_base = str(tmp_path)
    with pytest.raises(UsageError, match=r"by `petlesion prepare`; .*splits_final.json is missing"):
        trainer.do_split()


def test_a_checkpoint_is_whole_or_not_there(make, tmp_path):
    trainer = make()
    path = tmp_path / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(path))
    assert sorted(p.name for p in tmp_path.glob("*.p*")) == ["checkpoint_latest.pth"]
    other = make(seed=1)
    other.load_checkpoint(str(path))
    assert all(torch.equal(a, b) for a, b in zip(trainer.network.parameters(), other.network.parameters(), strict=True))


def words_of(prepared, out, *more):
    start = [
        sys.executable,
        "-m",
        "petlesion",
        "train",
        "--data",
        prepared.out,
        "--role",
        "fdg",
        "--fold",
        0,
        "--out",
        out,
    ]
    small = ["--iterations", 2, "--validation-iterations", 1, "--save-every", 1, "--workers", 0, "--device", "cpu"]
    return [str(word) for word in (*start, *small, "--no-validation", *more)]


def killed_after_its_first_checkpoint(words, checkpoint, log):
    """Start a training and kill it, as a cluster would, once there is something to go on from."""
    with log.open("w") as out:
        process = subprocess.Popen(words, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    begun = time.monotonic()
    while not checkpoint.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() - begun < 300
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_resumed_imported_and_used(prepared, toy_case, tmp_path):
    fold = tmp_path / "results" / MODEL / "fold_0"
    latest = fold / "checkpoint_latest.pth"
    # far too many epochs, so that the kill never comes too late
    first = words_of(prepared, tmp_path / "results", "--epochs", 1000)
    killed_after_its_first_checkpoint(first, latest, tmp_path / "log.txt")
    done = torch.load(latest, weights_only=False)["current_epoch"]
    again = words_of(prepared, tmp_path / "results", "--epochs", done + 1, "--resume")
    resumed = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert re.findall(r"Epoch (\d+) *$", resumed.stdout, re.MULTILINE) == [str(done)]
    assert not latest.exists()
    store = tmp_path / "store"
    source = ("weights", "import", str(tmp_path / "results" / MODEL), "--recipe", "mesbah", "--role", "fdg")
    assert cli.main([*source, "--license", "CC0-1.0", "--out", str(store)]) == 0
    assert ModelStore.open(store).entry("mesbah", "fdg").fold_numbers == (0,)
    images = {kind: next((toy_case.input_dir / "images" / kind).iterdir()) for kind in ("ct", "pet")}
    mask = tmp_path / "mask.mha"
    case = ("segment", "--ct", str(images["ct"]), "--pet", str(images["pet"]), "--out", str(mask))
    assert cli.main([*case, "--weights", str(store), "--tracer", "FDG", "--depth", "1"]) == 0
    assert read_image(mask).grid.same_as(toy_case.phantom.pet_suv.grid)


def test_two_processes_train_one_network(prepared, tmp_path):
    replace(SMALL, epochs=1, iterations=1).save(tmp_path / MODEL / "fold_1")
    launch = Launch(
        *(prepared.out, tmp_path, "Dataset701_mesbah_fdg", "PetlesionTrainerFDG", "petlesionPlans", 1, "cpu"),
        validate=False,
        processes=2,
        workers=0,
    )
    done = subprocess.run(launch.command(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker 1 batch_size 1" in done.stdout
    assert (tmp_path / MODEL / "fold_1" / "checkpoint_final.pth").exists()


def test_the_trainers_folder_holds_nothing_else():
    assert sorted(p.name for p in EXTERNAL.glob("*.py")) == ["__init__.py", "petlesion_trainers.py"]
    assert os.access(EXTERNAL, os.R_OK)
