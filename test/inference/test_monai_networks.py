# SPDX-License-Identifier: Apache-2.0
"""MONAI's networks: the published sizes, what is refused, one channel out, MONAI's own inference as the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference

from petlesion.inference.architectures import NetworkError
from petlesion.inference.ensemble import predict
from petlesion.inference.monai_networks import LesionLogit, monai_network
from petlesion.inference.networks import count_parameters, load_network, network_of
from petlesion.inference.plan import InferencePlan
from petlesion.inference.weights import ModelStore
from petlesion.inference.workplace import Averaging
from petlesion.recipes import AHAMED, SAFDARI
from test.inference.toy_monai import seeded_network, toy_network, toy_recipe, write_toy_store

# ahamed's number stands in its paper; the others follow from the published settings
PARAMETERS = {
    "all": 19_223_525,
    "stage1": 31_010_724,
    "stage2_swinunetr": 62_190_115,
    "stage2_segresnetds": 4_981_379,
    "stage2_unet": 19_223_440,
}
MEMBERS = [(stage, member) for recipe in (AHAMED, SAFDARI) for stage in recipe.stages for member in stage.members]
NAMES = [member.role for _, member in MEMBERS]


@pytest.mark.parametrize(("stage", "member"), MEMBERS, ids=NAMES)
def test_a_full_size_network_has_the_published_size(stage, member):
    with torch.device("meta"):
        network = monai_network(member.network, len(stage.channels)).eval()
        logit = LesionLogit(network)(torch.zeros(1, len(stage.channels), *member.network.patch_xyz))
    assert count_parameters(network) == PARAMETERS[member.role]
    assert logit.shape == (1, 1, *member.network.patch_xyz)


def test_of_two_outputs_the_logit_is_the_difference():
    network = seeded_network(toy_network(AHAMED.stages[0].members[0].network), 2)
    image = torch.randn(1, 2, 16, 24, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        probability = torch.softmax(network(image), dim=1)[:, 1:]
        torch.testing.assert_close(torch.sigmoid(LesionLogit(network)(image)), probability)


def reference(networks, image, network, overlap):
    """MONAI's windows over the logits of each fold, then the mean of the folds' probabilities."""
    found = []
    for one in networks:
        logits = sliding_window_inference(image, network.patch_xyz, 1, one, overlap=overlap)
        found.append(torch.sigmoid(logits) if network.outputs == 1 else torch.softmax(logits, 1)[:, 1:])
    return torch.stack(found).mean(dim=0)[0, 0].numpy()


@pytest.mark.parametrize(("stage", "member"), MEMBERS, ids=NAMES)
@pytest.mark.parametrize("shape", [(40, 33, 45), (9, 50, 16)])
def test_the_ensemble_is_monais_sliding_window_and_the_mean_of_its_folds(stage, member, shape):
    network = toy_network(member.network)
    folds = [seeded_network(network, len(stage.channels), seed) for seed in range(2)]
    image = torch.randn(1, len(stage.channels), *shape, generator=torch.Generator().manual_seed(1))
    plan = InferencePlan((0, 1), ((),), stage.tile_step, "a test")
    answer = predict(
        {fold: LesionLogit(one) for fold, one in enumerate(folds)},
        image[0].numpy(),
        network.patch_xyz,
        plan,
        averaging=Averaging(stage.window, stage.mean),
    )
    with torch.inference_mode():
        expected = reference(folds, image, network, overlap=1 - stage.tile_step)
    np.testing.assert_allclose(answer.lead_zyx + 0.5, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "AttentionUnet"}, "may name the MONAI networks"),
        ({"arguments": {"chanels": (4, 8)}}, "cannot be built"),
        ({"arguments": {"channels": (4,), "strides": ()}}, "cannot be built"),
        ({"arguments": {"in_channels": 3}}, "follow from the channels"),
    ],
)
def test_a_network_outside_the_list_or_of_odd_arguments_is_refused(changes, message):
    network = replace(toy_network(AHAMED.stages[0].members[0].network), **changes)
    with pytest.raises(NetworkError, match=message):
        monai_network(network, 2)


def test_a_fold_of_the_store_is_the_network_that_was_written(tmp_path):
    recipe = toy_recipe(SAFDARI)
    store = write_toy_store(tmp_path, recipe)
    store.verify()
    for stage in recipe.stages:
        for member in stage.members:
            entry = store.entry("safdari", member.role)
            image = torch.randn(1, len(stage.channels), *member.network.patch_xyz)
            written = LesionLogit(seeded_network(member.network, len(stage.channels), 1))
            with torch.inference_mode():
                torch.testing.assert_close(load_network(store, entry, 1, torch.device("cpu"))(image), written(image))


def test_plans_of_other_channels_than_the_manifest_are_refused(tmp_path):
    store = write_toy_store(tmp_path, toy_recipe(AHAMED), folds=(0,))
    entry = replace(store.entry("ahamed", "all"), channels=("ct", "pet", "mask"))
    with pytest.raises(NetworkError, match="must have the 3 channels"):
        network_of(ModelStore(store.root, (entry,)), entry)
