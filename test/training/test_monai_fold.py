# SPDX-License-Identifier: Apache-2.0
"""A fold of a MONAI network: it learns, is kept and goes on, and what it leaves is what inference uses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from petlesion.cli import main
from petlesion.inference.monai_networks import LesionLogit
from petlesion.inference.monai_published import import_monai_folder
from petlesion.inference.networks import load_network
from petlesion.inference.weights import ModelStore
from petlesion.recipes import RECIPES
from petlesion.training.layouts import DataError
from petlesion.training.loop import build, train
from petlesion.training.monai_curve import Curve
from petlesion.training.monai_fold import LOSSES
from petlesion.training.monai_patches import MonaiPatches
from test.training.toy_studies import TOY_AHAMED, TOY_SAFDARI, toy_fold

CPU = torch.device("cpu")
ROLES = [(recipe, member.role) for recipe in (TOY_AHAMED, TOY_SAFDARI) for member in recipe.members()]


def import_all(results, recipe, out):
    for member in recipe.members():
        stage, full = RECIPES[recipe.name].placed(member.role)
        source = results / f"{recipe.name}_{member.role}"
        what = {"recipe_name": recipe.name, "role": member.role, "licence": "CC0-1.0", "source": "a test"}
        import_monai_folder(source, member=full, stage=stage, out=out, half=False, **what)
    return ModelStore.open(out)


@pytest.mark.parametrize(("recipe", "role"), ROLES, ids=lambda value: value if isinstance(value, str) else "")
def test_two_steps_on_a_batch_lower_its_loss(tmp_path, ahamed_dataset, recipe, role):
    fold = toy_fold(ahamed_dataset, tmp_path, recipe, role)
    network = build(fold.network, 0)
    rng = np.random.default_rng(0)
    truth = np.zeros((1, *fold.plans.network.patch_xyz), np.float32)
    truth[0, 4:12, 4:12, 4:12] = 1
    image = rng.normal(0, 0.1, (1, fold.plans.n_channels, *truth.shape[1:])).astype(np.float32) + 2 * truth[:, None]
    batch = (torch.from_numpy(image), torch.from_numpy(truth))
    training, losses = fold.member.training, []
    observe = lambda _, loss: losses.append(loss)  # noqa: E731
    schedule = replace(fold._schedule(training, 2), steps=3)
    train(network, lambda _: batch, LOSSES[training.loss], schedule, rng, observe)
    assert losses[2] < losses[0]


def test_patients_are_trained_on_or_left_out(ahamed_dataset, safdari_dataset):
    for dataset, healthy in ((ahamed_dataset, True), (safdari_dataset, False)):
        for fold in (0, 1):
            split = dataset.cases_of(fold, with_healthy=healthy)
            owners = [{dataset.patients[name] for name in split[part]} for part in ("train", "val")]
            assert owners[0] & owners[1] == set()
            assert "psma_dot_1" not in split["val"]
    trained = [dataset.cases_of(fold, with_healthy=healthy)["train"] for dataset, healthy in
               ((ahamed_dataset, True), (safdari_dataset, False)) for fold in (0, 1)]  # fmt: skip
    assert ["psma_dot_1" in names for names in trained] in ([True, False] + 2 * [False], [False, True] + 2 * [False])


def test_the_best_weights_are_kept_with_the_curve(ahamed_dataset, ahamed_results):
    fold = toy_fold(ahamed_dataset, ahamed_results, TOY_AHAMED, "all")
    curve = Curve.read(fold.folder / "fold_0.csv")
    assert [row.epoch for row in curve.rows] == [1, 2]
    assert all(row.dice is not None and 0 <= row.dice <= 1 for row in curve.rows)
    assert sorted(path.name for path in fold.folder.iterdir()) == [
        "fold_0.csv",
        "fold_0.pth",
        "fold_0_savepoint.pt",
        "plans.json",
    ]


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, ahamed_dataset, monkeypatch):
    unet = TOY_AHAMED.stages[0].members[0]
    dropping = replace(unet, network=replace(unet.network, arguments={**unet.network.arguments, "dropout": 0.2}))
    recipe = replace(TOY_AHAMED, stages=(replace(TOY_AHAMED.stages[0], members=(dropping,)),))
    whole, cut = (toy_fold(ahamed_dataset, tmp_path / name, recipe, "all") for name in ("whole", "cut"))
    expected = whole.train()
    calls, draw = [], MonaiPatches.batch

    def dying(self, rng):
        calls.append(1)
        if len(calls) == 4:  # the second step of the second epoch: the first epoch is kept
            raise KilledError
        return draw(self, rng)

    monkeypatch.setattr(MonaiPatches, "batch", dying)
    with pytest.raises(KilledError):
        cut.train()
    torch.rand(5)
    assert cut.train().rows == expected.rows
    assert len(calls) == 4 + 2
    states = [torch.load(fold.savepoint, weights_only=True)["network"] for fold in (whole, cut)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    best = [torch.load(fold.weights, weights_only=True) for fold in (whole, cut)]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])


def test_batches_follow_from_the_generator_alone(tmp_path, safdari_dataset):
    fold = toy_fold(safdari_dataset, tmp_path, TOY_SAFDARI, "stage1")
    names = safdari_dataset.cases_of(0, with_healthy=False)["train"]
    plain, ahead = (
        MonaiPatches(safdari_dataset, names, ("ct", "pet"), fold.member.training, (8, 8, 8), CPU, n) for n in (0, 2)
    )
    rngs = [np.random.default_rng(3), np.random.default_rng(3)]
    for _ in range(3):
        (image, truth), (again, same) = (one.batch(rng) for one, rng in zip((plain, ahead), rngs, strict=True))
        assert torch.equal(image, again)
        assert torch.equal(truth, same)
        assert rngs[0].bit_generator.state == rngs[1].bit_generator.state
    assert image.shape == (2, 2, 8, 8, 8)
    assert truth.flatten(1).any(dim=1).all()  # a lesion share of 1
    other = np.random.default_rng(9)
    assert torch.equal(ahead.batch(np.random.default_rng(9))[0], plain.batch(other)[0])


def test_a_checkpoint_gives_the_same_logits_here_and_in_a_store(tmp_path, ahamed_dataset, ahamed_results):
    fold = toy_fold(ahamed_dataset, ahamed_results, TOY_AHAMED, "all")
    store = import_all(ahamed_results, TOY_AHAMED, tmp_path)
    image = torch.rand((1, 2, *fold.plans.network.patch_xyz), generator=torch.Generator().manual_seed(1))
    stored = load_network(store, store.entry("ahamed", "all"), 0, CPU)
    with torch.inference_mode():
        first, again, there = LesionLogit(fold.load())(image), LesionLogit(fold.load())(image), stored(image)
    assert torch.equal(first, again)
    torch.testing.assert_close(there, first, rtol=1e-5, atol=1e-5)  # a store's networks take other kernels on a CPU


@pytest.mark.parametrize(
    ("results", "recipe"), [("ahamed_results", TOY_AHAMED), ("safdari_results", TOY_SAFDARI)], ids=["ahamed", "safdari"]
)
def test_what_was_trained_segments_a_case(tmp_path, toy_studies, request, results, recipe):
    import_all(request.getfixturevalue(results), recipe, tmp_path / "weights")
    images = toy_studies / "imagesTr"
    command = ["segment", "--recipe", recipe.name, "--weights", str(tmp_path / "weights"), "--time-limit", "300",
               "--ct", str(images / "fdg_ann_1_0000.mha"), "--pet", str(images / "fdg_ann_1_0001.mha")]  # fmt: skip
    assert main([*command, "--out", str(tmp_path / "mask.mha")]) == 0
    assert (tmp_path / "mask.mha").is_file()


def test_what_is_not_there_is_named(tmp_path, ahamed_dataset, safdari_dataset):
    with pytest.raises(DataError, match=r"fold 0 first|train fold 0 first"):
        toy_fold(ahamed_dataset, tmp_path, TOY_AHAMED, "all").load()
    with pytest.raises(DataError, match=r"has the folds 0 to 1, not 7"):
        toy_fold(ahamed_dataset, tmp_path, TOY_AHAMED, "all", 7).train()
    bare = replace(safdari_dataset, root=tmp_path)
    (tmp_path / "cases").symlink_to(safdari_dataset.root / "cases")
    with pytest.raises(DataError, match=r"second stage learns from the first one's masks; .*--masks"):
        toy_fold(bare, tmp_path / "out", TOY_SAFDARI, "stage2_unet").train()
