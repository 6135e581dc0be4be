# SPDX-License-Identifier: Apache-2.0
"""The trainers of the recipes beside mesbah: prepared from the same phantoms, trained, killed, resumed and used."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from petlesion import cli
from petlesion.images import read_image
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.preprocess import prepare
from petlesion.inference.weights import ModelStore
from petlesion.recipes import RECIPES
from petlesion.training import launch, trainers
from petlesion.training.dataset import ORGANS, PLANS_NAME
from petlesion.training.fold import TRAINERS, FoldTraining
from petlesion.training.misalign import MisalignCt
from petlesion.training.organ_decoder import LesionAndOrganLoss
from petlesion.training.redraw import DrawClicks
from petlesion.training.splits import patient_of
from test.training.toy import SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.recipe import Recipe

NAMES = ("lesion_tracer", "alloula", "baseline")
FEW = {"epochs": 1000, "iterations": 2, "validation_iterations": 1, "save_every": 1}
NORMALIZED = {"lesion_tracer": ("CT", "CT"), "alloula": ("CT", "ZScore"), "baseline": ("CT", "CT", "No", "No")}


@dataclass(frozen=True)
class System:
    """A recipe of toy width, and what `petlesion prepare` made of four studies for it."""

    recipe: Recipe
    root: Path

    @cached_property
    def fold(self) -> FoldTraining:
        return FoldTraining(self.root / "data", self.root / "results", "all", 0, changes=FEW, recipe=self.recipe)

    @cached_property
    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        plans, dataset = (
            json.loads((self.fold.prepared / f"{name}.json").read_text()) for name in (PLANS_NAME, "dataset")
        )
        return plans, dataset

    @property
    def environment(self) -> dict[str, str]:
        folders = {"nnUNet_raw": "data/nnUNet_raw", "nnUNet_preprocessed": "data/nnUNet_preprocessed"}
        paths = {key: str(self.root / path) for key, path in (folders | {"nnUNet_results": "results"}).items()}
        return paths | {"nnUNet_extTrainer": str(launch.EXTERNAL), "nnUNet_n_proc_DA": "0"}

    @property
    def words(self) -> list[str]:
        return [self.fold.prepared.name, "0", self.fold.trainer, PLANS_NAME, "--device", "cpu", "--no-validation"]


def small(recipe: Recipe) -> Recipe:
    network = replace(SIZE, residual=recipe.training.network.residual)
    return replace(recipe, training=replace(recipe.training, network=network))


@pytest.fixture(scope="module", params=NAMES)
def system(request, prepared, tmp_path_factory):
    made = System(small(RECIPES[request.param]), tmp_path_factory.mktemp(request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, request.param, made.recipe)
        words = ["--data", prepared.studies, "--out", made.fold.data, "--folds", 2]
        assert cli.main([str(word) for word in ("prepare", "--recipe", request.param, *words)]) == 0
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture
def make(system, monkeypatch, tmp_path, capsys):
    """Makes a trainer as nnU-Net does, with results of its own."""
    monkeypatch.setenv("nnUNet_results", str(tmp_path))

    def make(seed=0):
        plans, dataset = system.documents
        kind = getattr(trainers, system.fold.trainer)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            trainer = kind(plans | {"continue_training": False}, "3d_fullres", 0, dataset, torch.device("cpu"))
            trainer.initialize()
        capsys.readouterr()
        return trainer

    return make


def test_every_role_has_its_trainer():
    published = {(name, one.role) for name, recipe in RECIPES.items() if recipe.training for one in recipe.members()}
    assert set(TRAINERS) == published
    classes = {key: getattr(trainers, name) for key, name in TRAINERS.items()}
    assert {key: (kind.recipe.name, kind.role) for key, kind in classes.items()} == {key: key for key in TRAINERS}


def test_plans_channels_and_organs_are_the_recipes(system):
    plans, dataset = system.documents
    found = plans["configurations"]["3d_fullres"]
    names = [{"ct": "CT", "pet": "PET"}.get(name, "noNorm") for name in system.recipe.stages[-1].channels]
    assert list(dataset["channel_names"].values()) == names
    assert found["normalization_schemes"] == [f"{name}Normalization" for name in NORMALIZED[system.recipe.name]]
    assert found["batch_size"] == system.recipe.training.batch_size
    unet = "ResidualEncoderUNet" if system.recipe.training.network.residual else "PlainConvUNet"
    assert found["architecture"]["network_class_name"].endswith(f".{unet}")
    assert plans.get(ORGANS, []) == list(system.recipe.training.organs)
    assert (system.fold.data / "nnUNet_raw" / system.fold.prepared.name / "organsTr").exists() == (ORGANS in plans)
    extras = sorted(path.name[-9:] for path in system.fold.prepared.rglob("*_suv.b2nd"))
    assert len(extras) == (4 if system.recipe.stages[-1].heatmap else 0)


def test_the_networks_see_in_training_what_they_see_at_inference(system):
    raw, cases = (system.fold.data / f"nnUNet_{kind}" / system.fold.prepared.name for kind in ("raw", "preprocessed"))
    cases = cases / f"{PLANS_NAME}_3d_fullres"
    name = "fdg_0000000001_01-01-2001"
    data = infer_dataset_class(str(cases))(str(cases)).load_case(name)[0]
    files = sorted((raw / "imagesTr").glob(f"{name}_*.mha"))
    images = [read_image(path) for path in files]
    plans = NnunetPlans.parse(*system.documents)
    ours = prepare([image.array_zyx for image in images], images[0].grid.spacing_zyx_mm, plans)
    np.testing.assert_allclose(data[:], ours.array_czyx, atol=1e-4)


def test_the_schedule_is_the_recipes_and_no_patient_is_in_both_parts(system, make):
    trainer, published = make(), system.recipe.training
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch) == (published.epochs, 250)
    assert (trainer.initial_lr, trainer.batch_size) == (published.initial_rate, published.batch_size)
    assert trainer.oversample_foreground_percent == published.lesion_share
    left_in, left_out = ({patient_of(name, {}) for name in names} for names in trainer.do_split())
    assert left_in
    assert left_out
    assert not left_in & left_out


def test_the_loss_is_the_recipes(system, make):
    loss = make().loss.loss
    assert isinstance(loss, LesionAndOrganLoss) == bool(system.recipe.training.organs)
    dice = [loss.lesion.dc, loss.organs.dc] if system.recipe.training.organs else [loss.dc]
    assert {one.smooth for one in dice} == {1e-5 if system.recipe.training.smooth_dice else 0}


def test_the_loss_of_a_batch_falls_and_a_checkpoint_gives_the_same_logits(system, make, tmp_path):
    trainer = make()
    np.random.seed(0)  # noqa: NPY002 - nnU-Net's patches and transforms draw from numpy and torch
    torch.manual_seed(0)
    training, validation = trainer.get_dataloaders()
    batch, held_out = next(training), next(validation)
    channels, n = system.recipe.stages[-1].channels, system.recipe.training.batch_size
    assert batch["data"].shape == held_out["data"].shape == (n, len(channels), 16, 16, 16)
    assert batch["target"][0].shape == (n, 2 if system.recipe.training.organs else 1, 16, 16, 16)
    trainer.optimizer.param_groups[0]["lr"] = 1e-2  # the recipes' rates are for a thousand epochs
    trainer.network.train()
    losses = [float(trainer.train_step(batch)["loss"]) for _ in range(3)]
    assert losses[2] < losses[0]
    trainer.save_checkpoint(str(tmp_path / "checkpoint.pth"))
    other = make(seed=1)
    other.load_checkpoint(str(tmp_path / "checkpoint.pth"))
    with torch.no_grad():
        here, there = (one.network.eval()(held_out["data"])[0] for one in (trainer, other))
    assert here.shape == (n, 2, 16, 16, 16)
    assert torch.equal(here, there)


def test_what_happens_to_a_patch_is_what_the_recipe_says(system, make):
    trainer, schedule = make(), system.recipe.training
    loaders = [source.data_loader for source in trainer.get_dataloaders()]
    training, validation = (loader._chain.transforms for loader in loaders)
    kinds = [type(one) for one in training]
    assert (kinds[0] is MisalignCt) == schedule.misalign
    assert (MirrorTransform in kinds) == schedule.mirror
    clicked = system.recipe.stages[-1].heatmap is not None
    assert [DrawClicks in kinds, DrawClicks in [type(one) for one in validation]] == [clicked] * 2
    assert trainer.inference_allowed_mirroring_axes == ((0, 1, 2) if schedule.mirror else None)


@pytest.mark.parametrize("system", ["baseline"], indirect=True)
def test_two_channels_of_clicks_stay_within_zero_and_one_and_change(make):
    training, _ = make().get_dataloaders()
    batches = torch.stack([next(training)["data"] for _ in range(6)])
    maps = batches[:, :, 2:]
    assert maps.min() == 0
    assert 0 < maps[:, :, 0].max() <= 1
    assert 0 < maps[:, :, 1].max() <= 1
    assert len({float(one.sum()) for one in maps.flatten(0, 1)}) > 4


@pytest.mark.parametrize("system", ["alloula"], indirect=True)
def test_activations_of_a_plain_network_can_be_computed_twice(make):
    kept, twice = make(), make()
    trainers.checkpoint_activations(twice.network)
    image = torch.rand(1, 2, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    for trainer in (kept, twice):
        sum(out.square().sum() for out in trainer.network.train()(image)).backward()
    for one, other in zip(kept.network.parameters(), twice.network.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def train(environment: dict[str, str], words: list[str], log: str) -> None:
    """Train in a process of its own, which is to be killed."""
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    torch.set_num_threads(1)
    launch.main(words)


def killed_after_its_first_checkpoint(system: System, log: Path) -> None:
    server = multiprocessing.get_context("forkserver")  # nnU-Net is imported once, not once for each recipe
    server.set_forkserver_preload([__name__])
    process = server.Process(target=train, args=(system.environment, system.words, str(log)))
    process.start()
    begun = time.monotonic()
    while not (system.fold.folder / "checkpoint_latest.pth").exists():
        assert process.is_alive(), log.read_text()
        assert time.monotonic() - begun < 300
        time.sleep(0.02)
    process.kill()
    process.join()


def test_killed_resumed_imported_and_used(system, toy_case, tmp_path, capsys):
    system.fold.make_ready()
    killed_after_its_first_checkpoint(system, tmp_path / "log.txt")
    latest = system.fold.folder / "checkpoint_latest.pth"
    done = torch.load(latest, weights_only=False)["current_epoch"]
    replace(system.fold, resume=True, changes={"epochs": done + 1}).make_ready()
    capsys.readouterr()
    launch.main([*system.words, "--resume"])
    said = [
        line.split()[-1] for line in capsys.readouterr().out.splitlines() if "Epoch " in line and "time" not in line
    ]
    assert said[0] == str(done)
    assert not latest.exists()
    store, name = tmp_path / "store", system.recipe.name
    words = ("weights", "import", str(system.fold.model), "--recipe", name, "--role", "all", "--out", str(store))
    assert cli.main(list(words)) == 0
    assert "not known" not in capsys.readouterr().out
    entry = ModelStore.open(store).entry(name, "all")
    assert (entry.fold_numbers, entry.channels) == ((0,), system.recipe.stages[-1].channels)
    assert entry.mirror_axes == ((0, 1, 2) if system.recipe.training.mirror else ())
    images = {kind: str(next((toy_case.input_dir / "images" / kind).iterdir())) for kind in ("ct", "pet")}
    clicks = ["--clicks", str(toy_case.input_dir / "lesion-clicks.json")]
    case = ["segment", "--ct", images["ct"], "--pet", images["pet"], *clicks, "--out", str(tmp_path / "mask.mha")]
    assert cli.main([*case, "--weights", str(store), "--recipe", name]) == 0
    assert read_image(tmp_path / "mask.mha").grid.same_as(toy_case.phantom.pet_suv.grid)
