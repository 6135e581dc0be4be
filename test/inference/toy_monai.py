# SPDX-License-Identifier: Apache-2.0
"""Small networks of MONAI in the shape of the published ones, and a store of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from petlesion.inference.manifest import ModelEntry
from petlesion.inference.monai_networks import monai_network
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.networks import canonical_state
from petlesion.inference.weights import ModelStore, write_model
from petlesion.recipe import MonaiNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from petlesion.recipe import Member, Recipe, Stage

UNET = {"channels": (4, 8), "strides": (2,), "num_res_units": 1, "norm": "batch"}
LEVELS = ((1, 1, 1), (2, 2, 2), (2, 2, 1))
TOY_ARGUMENTS = {
    "UNet": UNET,
    "DynUNet": {
        "kernel_size": ((3, 3, 3),) * 3,
        "strides": LEVELS,
        "upsample_kernel_size": LEVELS[1:],
        "filters": (4, 8, 8),
        "res_block": True,
        "deep_supervision": True,
        "deep_supr_num": 1,
    },
    "SegResNetDS": {"init_filters": 4, "blocks_down": (1, 1), "blocks_up": (1,), "dsdepth": 1},
    "SwinUNETR": {"feature_size": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)},
}
TOY_PATCH = {"SwinUNETR": (64, 32, 32)}  # the deepest of its instance norms needs two voxels


def toy_network(network: MonaiNetwork) -> MonaiNetwork:
    """A network of the same class and outputs with few channels and a small window."""
    return MonaiNetwork(
        network.name, network.outputs, TOY_PATCH.get(network.name, (16, 24, 16)), TOY_ARGUMENTS[network.name]
    )


def toy_member(member: Member) -> Member:
    return replace(member, network=toy_network(member.network))


def toy_recipe(recipe: Recipe, spacing_mm: float = 8.0) -> Recipe:
    """The recipe with small networks on a coarse grid."""

    def toy_stage(stage: Stage) -> Stage:
        grid = replace(stage.grid, spacing_xyz_mm=(spacing_mm,) * 3)
        return replace(stage, members=tuple(map(toy_member, stage.members)), grid=grid)

    return replace(recipe, stages=tuple(map(toy_stage, recipe.stages)))


def seeded_network(network: MonaiNetwork, n_inputs: int, seed: int = 0) -> nn.Module:
    """A network with random weights, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return monai_network(network, n_inputs).eval()


def toy_entry(recipe: Recipe, stage: Stage, member: Member) -> ModelEntry:
    return ModelEntry(
        system=recipe.name,
        role=member.role,
        architecture="monai",
        channels=stage.channels,
        licence="CC0-1.0",
        source="a test",
        training_data="none",
        synthetic=True,
        mirror_axes=(),
    )


def write_toy_store(root: Path, recipe: Recipe, folds: tuple[int, ...] = (0, 1)) -> ModelStore:
    """A store with random weights for every member of a toy recipe."""
    for stage in recipe.stages:
        for member in stage.members:
            states = {
                fold: canonical_state(seeded_network(member.network, len(stage.channels), fold)) for fold in folds
            }
            plans = MonaiPlans(member.network, stage.grid).document()
            write_model(root, toy_entry(recipe, stage, member), states, plans, half=False)
    return ModelStore.open(root)
