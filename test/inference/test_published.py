# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch
from torch import nn

from petlesion.inference.networks import check_models, load_network
from petlesion.inference.published import KNOWN_TRAINERS, fold_files, import_nnunet_folder, import_state_dicts
from petlesion.inference.weights import ModelStore, WeightsError
from test.inference.models import checkpoint, toy_network, with_organ_head, write_folder
from test.nnunet_reference import toy_dataset, toy_plans

FINAL, BEST = "checkpoint_final.pth", "checkpoint_best.pth"
SAID = {
    "recipe_name": "mesbah",
    "role": "fdg",
    "licence": "CC-BY-4.0",
    "source": "doi",
    "channels": ("ct", "pet", "clicks"),
}


def published(seed=0, **changes):
    """A checkpoint as mesbah's trainers write it: aliases, organ head, numpy scalars."""
    return checkpoint(with_organ_head(toy_network(seed).state_dict()), **changes)


def imported(src, out, **changes):
    return import_nnunet_folder(src, out=out, **(SAID | changes))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"plans\.json cannot be read"):
        imported(tmp_path, tmp_path / "out")


def test_a_model_folder_becomes_a_model_that_runs(tmp_path):
    src = write_folder(tmp_path / "src", {f"fold_{k}/{FINAL}": published(k) for k in range(2)})
    found = imported(src, tmp_path / "out", half=False)
    assert found.notes == ()
    assert found.entry.source == "doi; nnUNetTrainer_organs_FDG, 1500 epochs, checkpoint_final"
    assert (found.entry.licence, found.entry.configuration, found.entry.fold_numbers) == (
        "CC-BY-4.0",
        "3d_fullres",
        (0, 1),
    )
    store = ModelStore.open(tmp_path / "out")
    entry = store.entry("mesbah", "fdg")
    assert entry == found.entry
    assert (store.plans(entry), store.dataset(entry)) == (toy_plans(), toy_dataset())
    check_models(store)
    image = torch.rand((1, 3, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for fold in range(2):
            both = toy_network(fold)(image)
            ours = load_network(store, entry, fold, torch.device("cpu"))(image)
            assert torch.allclose(ours, both[:, 1:] - both[:, :1], atol=1e-5)


def test_no_organ_head_and_no_second_copy_is_stored(tmp_path):
    src = write_folder(tmp_path / "src", {f"fold_0/{FINAL}": published()})
    entry = imported(src, tmp_path / "out").entry
    keys = ModelStore.open(tmp_path / "out").load(entry, 0)
    assert not [key for key in keys if "organ" in key or "decoder.encoder" in key or "all_modules" in key]


@pytest.mark.parametrize("trainer", [*KNOWN_TRAINERS, "nnUNetTrainer_of_mine"])
def test_the_trainer_is_kept_and_an_unknown_one_is_said(tmp_path, trainer):
    src = write_folder(tmp_path / "src", {f"fold_0/{FINAL}": published(trainer=trainer)})
    found = imported(src, tmp_path / "out")
    assert trainer in found.entry.source
    assert [trainer in note for note in found.notes] == ([] if trainer in KNOWN_TRAINERS else [True])


def test_the_best_checkpoint_stands_in_for_a_missing_final_one(tmp_path):
    contents = {f"fold_0/{BEST}": published(5), f"fold_0/{FINAL}": published(0), f"fold_3/{BEST}": published(3)}
    found = imported(write_folder(tmp_path / "src", contents), tmp_path / "out", half=False)
    assert found.entry.fold_numbers == (0, 3)
    assert found.notes == ("fold 3 has no checkpoint_final.pth; checkpoint_best.pth was taken",)
    assert found.entry.source.endswith("checkpoint_final and checkpoint_best")
    key = "decoder.seg_layers.0.weight"
    kept = ModelStore.open(tmp_path / "out").load(found.entry, 0)[key]
    assert torch.equal(kept, toy_network(0).state_dict()[key])


def test_fold_all_alone_is_fold_0(tmp_path):
    found = imported(write_folder(tmp_path / "src", {f"fold_all/{FINAL}": published()}), tmp_path / "out")
    assert (found.entry.fold_numbers, found.notes) == ((0,), ("fold_all was taken as fold 0",))


def test_mirroring_is_as_in_training(tmp_path):
    content = published(inference_allowed_mirroring_axes=None)
    found = imported(write_folder(tmp_path / "src", {f"fold_0/{FINAL}": content}), tmp_path / "out")
    assert found.entry.mirror_axes == ()
    assert "mirrored the axes () only" in found.notes[0]
    assert ModelStore.open(tmp_path / "out").entries[0].mirror_axes == ()


def test_mirroring_that_is_unsaid_is_assumed_aloud(tmp_path):
    content = published()
    del content["inference_allowed_mirroring_axes"]
    found = imported(write_folder(tmp_path / "src", {f"fold_0/{FINAL}": content}), tmp_path / "out")
    assert found.entry.mirror_axes == (0, 1, 2)
    assert "all three are assumed" in found.notes[0]


def test_an_inherited_configuration_is_the_checkpoints(tmp_path):
    plans = toy_plans()
    plans["configurations"]["3d_fullres_bs3"] = {"inherits_from": "3d_fullres", "batch_size": 3}
    content = published(init_args={"configuration": "3d_fullres_bs3"})
    src = write_folder(tmp_path / "src", {f"fold_0/{FINAL}": content}, plans)
    assert imported(src, tmp_path / "out").entry.configuration == "3d_fullres_bs3"
    check_models(ModelStore.open(tmp_path / "out"))


def changed(key, change):
    """A checkpoint with one weight changed or, where `change` gives None, removed."""
    content = published()
    value = change(content["network_weights"].get(key))
    content["network_weights"] |= {key: value}
    if value is None:
        del content["network_weights"][key]
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed("decoder.seg_layers.0.bias", lambda _: None), r"missing: decoder\.seg_layers\.0\.bias"),
        (changed("decoder.wings", lambda _: torch.ones(1)), r"not of the network: decoder\.wings"),
        (changed("decoder.seg_layers.0.bias", lambda _: torch.ones(3)), "must have the shape"),
        (changed("decoder.seg_layers.0.bias", lambda bias: bias * torch.nan), "finite numbers"),
        (changed("decoder.encoder.stem.convs.0.conv.bias", lambda bias: bias + 1), "hold different weights"),
        (published(trainer="another"), "folds of one model share trainer"),
    ],
)
def test_a_fault_in_the_last_fold_changes_nothing(tmp_path, content, said):
    out = tmp_path / "out"
    before = imported(write_folder(tmp_path / "good", {f"fold_0/{FINAL}": published()}), out).entry
    src = write_folder(tmp_path / "bad", {f"fold_0/{FINAL}": published(), f"fold_1/{FINAL}": content})
    with pytest.raises(WeightsError, match=said):
        imported(src, out)
    assert ModelStore.open(out).entries == (before,)
    assert sorted(path.name for path in out.rglob("*.*")) == [
        "dataset.json",
        "fold_0.safetensors",
        "manifest.json",
        "plans.json",
    ]


def test_the_faulty_file_is_named(tmp_path):
    src = write_folder(tmp_path / "src", {f"fold_0/{FINAL}": changed("decoder.wings", lambda _: torch.ones(1))})
    with pytest.raises(WeightsError, match=f"{src}/fold_0/{FINAL}"):
        imported(src, tmp_path / "out")


def test_no_folds_and_empty_folds_are_refused(tmp_path):
    src = write_folder(tmp_path / "src", {})
    with pytest.raises(WeightsError, match="must hold the folders fold_0"):
        imported(src, tmp_path / "out")
    (src / "fold_0").mkdir()
    with pytest.raises(WeightsError, match=r"fold_0 must hold checkpoint_final\.pth or checkpoint_best\.pth"):
        imported(src, tmp_path / "out")


def test_plans_that_inference_could_not_follow_are_refused_at_once(tmp_path):
    plans = toy_plans()
    plans["configurations"]["3d_fullres"]["normalization_schemes"][1] = "MyNormalization"
    src = write_folder(tmp_path / "src", {f"fold_0/{FINAL}": published()}, plans)
    with pytest.raises(WeightsError, match="MyNormalization"):
        imported(src, tmp_path / "out")


def test_channels_must_be_those_of_the_data_set(tmp_path):
    src = write_folder(tmp_path / "src", {f"fold_0/{FINAL}": published()})
    with pytest.raises(WeightsError, match="must name 2 channels"):
        imported(src, tmp_path / "out", channels=("ct", "pet"))


class Small(nn.Module):
    """Stands for the MIP-CNN: a convolution and a fully connected layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(2, 1))


def state_dict(*names):
    """Weights of `Small` under the given names of its two layers."""
    shapes = {"weight": ((2, 1, 3, 3), (1, 2)), "bias": ((2,), (1,))}
    return {f"{name}.{kind}": torch.full(shapes[kind][i], i + 1.0) for i, name in enumerate(names) for kind in shapes}


REAL = state_dict("features.0", "classifier.0")


def import_small(tmp_path, *states):
    for fold, state in enumerate(states):
        torch.save(state, tmp_path / f"mip_fold{fold}.pth")
    said = {"recipe_name": "mesbah", "role": "tracer", "licence": "CC0", "source": "x", "out": tmp_path / "out"}
    return import_state_dicts(fold_files(tmp_path), Small(), **said)


def test_state_dicts_become_a_tracer_model(tmp_path):
    state = state_dict("features.0", "classifier.0")
    found = import_small(tmp_path, state, {"module." + key: tensor for key, tensor in state.items()})
    assert found.notes == ()
    assert (found.entry.architecture, found.entry.fold_numbers) == ("mip_cnn", (0, 1))
    store = ModelStore.open(tmp_path / "out")
    for fold in (0, 1):
        assert store.load(found.entry, fold).keys() == state.keys()
    assert json.loads((tmp_path / "out/manifest.json").read_text())["models"][0].keys() >= {"licence", "folds"}


def test_the_default_device_does_not_matter(tmp_path):
    with torch.device("meta"):
        found = import_small(tmp_path, REAL)
    weights = ModelStore.open(tmp_path / "out").load(found.entry, 0)
    assert torch.equal(weights["classifier.0.weight"], torch.full((1, 2), 2.0, dtype=torch.float16))


def test_layers_with_other_names_are_taken_in_order_aloud(tmp_path):
    found = import_small(tmp_path, state_dict("conv1", "fc1"))
    assert found.notes == ("mip_fold0.pth: its layers have other names; they were taken in their order",)
    weights = ModelStore.open(tmp_path / "out").load(found.entry, 0)
    assert torch.equal(weights["classifier.0.weight"], torch.full((1, 2), 2.0, dtype=torch.float16))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (state_dict("features.0", "other"), r"missing: classifier\.0\.bias"),
        (state_dict("conv1"), "4 of the network's keys are missing"),
        (dict(reversed(state_dict("conv1", "fc1").items())), "4 of the network's keys are missing"),
    ],
)
def test_layers_that_do_not_match_are_refused(tmp_path, state, said):
    with pytest.raises(WeightsError, match=said):
        import_small(tmp_path, state)


@pytest.mark.parametrize(
    ("names", "folds"),
    [
        (
            ["mip_fold1.pth", "mip_fold0.pth", "mip_fold10.pth"],
            {0: "mip_fold0.pth", 1: "mip_fold1.pth", 10: "mip_fold10.pth"},
        ),
        (["b.pth", "a.pth"], {0: "a.pth", 1: "b.pth"}),
        (["b_3.pth", "a_3.pth"], {0: "a_3.pth", 1: "b_3.pth"}),
    ],
)
def test_folds_are_numbered_by_their_names(tmp_path, names, folds):
    for name in names:
        (tmp_path / name).touch()
    assert {fold: path.name for fold, path in fold_files(tmp_path).items()} == folds


def test_a_folder_without_state_dicts_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"a \.pth file for each fold"):
        fold_files(tmp_path)
