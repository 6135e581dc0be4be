# SPDX-License-Identifier: Apache-2.0
"""State dicts for MONAI's networks: imported with their plans, or refused by name."""

import json
from dataclasses import replace

import pytest
import torch

from petlesion.inference.manifest import WeightsError
from petlesion.inference.monai_networks import monai_network
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.monai_published import import_monai_folder, recipe_plans
from petlesion.inference.networks import check_models
from petlesion.inference.weights import ModelStore
from petlesion.recipes import AHAMED, MESBAH, SAFDARI
from test.inference.toy_monai import seeded_network, toy_member


def full_state(recipe, role, n_channels=None):
    """Zeros in the shape of a full-size network."""
    stage, member = recipe.placed(role)
    with torch.device("meta"):
        network = monai_network(member.network, n_channels or len(stage.channels))
    return {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in network.state_dict().items()}


def toy_folder(folder, recipe, role, prefix="", **changes):
    """Two folds of a small network beside its plans."""
    stage, member = recipe.placed(role)
    plans = replace(MonaiPlans(toy_member(member).network, stage.grid), **changes)
    folder.mkdir()
    for fold in (0, 3):
        state = seeded_network(plans.network, plans.n_channels, fold).state_dict()
        torch.save({prefix + key: tensor for key, tensor in state.items()}, folder / f"fold_{fold}.pth")
    (folder / "plans.json").write_text(json.dumps(plans.document()))
    return folder


def take(src, out, recipe, role, **more):
    stage, member = recipe.placed(role)
    what = {"recipe_name": recipe.name, "role": role, "out": out, "licence": "CC0-1.0", "source": "a test"}
    return import_monai_folder(src, member=member, stage=stage, **what, **more)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_folds_with_plans_become_a_model(tmp_path, prefix):
    src = toy_folder(tmp_path / "src", SAFDARI, "stage1", prefix)
    imported = take(src, tmp_path / "out", SAFDARI, "stage1", half=False)
    store = ModelStore.open(tmp_path / "out")
    assert imported.notes == ("the network is that of plans.json, not the recipe's full size",)
    assert store.entries == (imported.entry,)
    assert (imported.entry.architecture, imported.entry.channels, imported.entry.mirror_axes) == (
        "monai",
        ("ct", "pet"),
        (),
    )
    assert imported.entry.fold_numbers == (0, 3)
    assert store.plans(imported.entry) == json.loads((src / "plans.json").read_text())
    stored, written = store.load(imported.entry, 3), torch.load(src / "fold_3.pth", weights_only=True)
    assert all(torch.equal(tensor, written[prefix + key]) for key, tensor in stored.items())
    check_models(store)


def test_without_plans_the_network_is_the_recipes(tmp_path):
    torch.save({"state_dict": full_state(AHAMED, "all")}, tmp_path / "fold0.pth")
    imported = take(tmp_path, tmp_path / "out", AHAMED, "all")
    own = json.loads(json.dumps(recipe_plans(*AHAMED.placed("all")[::-1]).document()))
    assert ModelStore.open(tmp_path / "out").plans(imported.entry) == own
    assert imported.notes == ()
    (tmp_path / "plans.json").write_text(json.dumps(own))
    assert take(tmp_path, tmp_path / "out", AHAMED, "all").notes == ()


def test_another_systems_weights_are_refused_by_name(tmp_path):
    torch.save(full_state(SAFDARI, "stage2_unet"), tmp_path / "fold_0.pth")
    with pytest.raises(WeightsError, match=r"of ahamed/all are wanted.*they are those of safdari/stage2_unet$"):
        take(tmp_path, tmp_path / "out", AHAMED, "all")
    with pytest.raises(WeightsError, match=r"of safdari/stage1 are wanted.*they are those of safdari/stage2_unet$"):
        take(tmp_path, tmp_path / "out", SAFDARI, "stage1")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_another_number_of_channels_is_refused_by_name(tmp_path):
    torch.save(full_state(AHAMED, "all", n_channels=3), tmp_path / "fold_0.pth")
    with pytest.raises(WeightsError, match=r"of ahamed/all .* must have the shape \(32, 2, 3, 3, 3\); it has \(32, 3"):
        take(tmp_path, tmp_path / "out", AHAMED, "all")


def test_plans_of_another_role_are_refused(tmp_path):
    src = toy_folder(tmp_path / "src", SAFDARI, "stage2_unet")
    for recipe, role in ((AHAMED, "all"), (SAFDARI, "stage1"), (SAFDARI, "stage2_segresnetds")):
        with pytest.raises(WeightsError, match=r"plans\.json are \('UNet', 1, 'LAS', 3\): they are of another role"):
            take(src, tmp_path / "out", recipe, role)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(WeightsError, match="there is none"):
        take(tmp_path, tmp_path / "out", AHAMED, "all")
    (tmp_path / "plans.json").write_text('{"petlesion_monai": 7}')
    with pytest.raises(WeightsError, match=r"plans\.json cannot be used"):
        take(tmp_path, tmp_path / "out", AHAMED, "all")
    with pytest.raises(WeightsError, match="fdg is not one of them"):
        recipe_plans(*MESBAH.placed("fdg")[::-1])
