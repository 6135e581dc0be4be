# SPDX-License-Identifier: Apache-2.0
"""What each system sees of the shared patches, and what it is taught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.normalize import Intensity
from petlesion.recipes import RECIPES
from petlesion.training.learners import learner_of
from petlesion.training.organ_head import CLASSES, UNKNOWN
from petlesion.training.small_systems import SMALL

CT, PET = Intensity(40.0, 200.0, -800.0, 900.0), Intensity(5.0, 6.0, 0.2, 40.0)
ENSEMBLES = [
    (recipe, stage, member)
    for recipe in RECIPES.values()
    for stage in recipe.stages
    for member in stage.members
    if (recipe.name, member.role) in SMALL
]
NAMES = [f"{recipe.name}-{member.role}" for recipe, _, member in ENSEMBLES]
EVERY = pytest.mark.parametrize(("recipe", "stage", "member"), ENSEMBLES, ids=NAMES)


def learner(name, role):
    recipe, stage, member = next(e for e in ENSEMBLES if (e[0].name, e[2].role) == (name, role))
    return learner_of(recipe, stage, member, SMALL[name, role], (CT, PET), spacing_mm=4.0)


def batch(shape=(4, 5, 6), seed=0):
    """HU from -600 on, SUV from 1 on, a mask of ones where the first voxels are; truth and organs."""
    rng = np.random.default_rng(seed)
    hu, suv = rng.uniform(-600, 700, shape), rng.uniform(1.5, 30, shape)
    third = (np.arange(np.prod(shape)) < 7).reshape(shape)
    image = np.stack([(hu - CT.mean) / CT.std, (suv - PET.mean) / PET.std, third]).astype(np.float32)
    target = np.stack([rng.random(shape) > 0.7, rng.integers(0, 1 + len(CLASSES), shape)]).astype(np.float32)
    return hu, suv, (torch.from_numpy(image)[None], torch.from_numpy(target)[None])


def test_the_four_systems_have_a_small_size():
    assert {name for name, _ in SMALL} == {"lesion_tracer", "alloula", "ahamed", "safdari"}
    assert len(ENSEMBLES) == 7


@EVERY
def test_two_steps_on_one_batch_lower_the_loss(recipe, stage, member):
    small = SMALL[recipe.name, member.role]
    one = learner_of(recipe, stage, member, replace(small, patch=(32, 32, small.patch[2])), (CT, PET), spacing_mm=4.0)
    _, _, (image, target) = batch(one.patch_zyx)
    target[:, 0, 10:20, 10:20, 10:20] = 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = one.build().train()
    seen, taught = one.view((image.repeat(2, 1, 1, 1, 1), target.repeat(2, 1, 1, 1, 1)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss = one.loss(network(seen), taught)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[2] < losses[0]
    assert one.lead(network.eval(), seen).shape == taught[:, 0].shape


@EVERY
def test_the_plans_say_what_the_network_saw(recipe, stage, member):
    one = learner_of(recipe, stage, member, SMALL[recipe.name, member.role], (CT, PET), spacing_mm=4.0)
    if one.dataset is None:
        plans = MonaiPlans.parse(one.plans)
        assert plans.grid.orientation == stage.grid.orientation
        assert plans.network.name == member.network.name
        assert (plans.grid.channels[0].low, plans.grid.channels[0].high) >= (-832.0627, 900.0)
        assert plans.grid.channels[1].high <= 40.0
        return
    plans = NnunetPlans.parse(one.plans, one.dataset)
    assert [rule.scheme for rule in plans.normalizations] == [
        "CTNormalization",
        "ZScoreNormalization" if recipe.name == "alloula" else "CTNormalization",
    ]
    assert plans.normalizations[0].intensity == CT


def test_ahamed_sees_scaled_hu_and_suv_along_its_own_axes():
    hu, suv, shared = batch()
    image, target = learner("ahamed", "all").view(shared)
    assert image.shape == (1, 2, 6, 5, 4)
    np.testing.assert_allclose(image[0, 0].permute(2, 1, 0), (hu + 1024) / 2048, atol=1e-5)
    np.testing.assert_allclose(image[0, 1].permute(2, 1, 0), suv, rtol=1e-5)
    np.testing.assert_array_equal(target[0, 0].permute(2, 1, 0), shared[1][0, 0])


def test_safdaris_second_stage_sees_the_mask_as_it_is():
    hu, _, shared = batch()
    image, _ = learner("safdari", "stage2_unet").view(shared)
    np.testing.assert_allclose(image[0, 0].permute(2, 1, 0), (hu - 107.7344) / 286.344, atol=1e-5)
    np.testing.assert_array_equal(image[0, 2].permute(2, 1, 0), shared[0][0, 2])


def test_alloula_alone_wants_its_pet_z_scored_and_takes_the_patches_as_they_are():
    _, _, shared = batch()
    image, _ = learner("alloula", "all").view(shared)
    np.testing.assert_array_equal(image[0], shared[0][0, :2])
    wants = {name for name in ("alloula", "lesion_tracer", "ahamed") if learner(name, "all").z_scores_pet}
    assert wants == {"alloula"}


def test_lesion_tracer_learns_its_own_organs():
    one = learner("lesion_tracer", "all")
    organs, shared = list(one.recipe.training.organs), [name for name, _ in CLASSES]
    names = ["brain", "submandibular glands", "parotid glands", "digestive system", "skeleton"]
    target = torch.zeros(1, 2, 1, 1, 7)
    target[0, 1, 0, 0] = torch.tensor([0, *(1 + shared.index(name) for name in names), UNKNOWN])
    _, own = one.view((torch.zeros(1, 3, 1, 1, 7), target))
    expected = ["brain", "head glands", "head glands", "stomach"]
    assert own[0, 1, 0, 0].tolist() == [0, *(1 + organs.index(name) for name in expected), 0, UNKNOWN]
    assert one.n_organs == 11
