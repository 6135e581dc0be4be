# SPDX-License-Identifier: Apache-2.0
"""How one ensemble of a system learns from the patches that all small networks share.

The shared patches are those of the default weights: nnU-Net's normalised CT and PET, and clicks, at 4 mm. A learner
makes its system's input of them: its channels, its scaling, its axes; and it has its system's network and loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from petlesion.inference.monai_networks import LesionLogit, monai_network
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.networks import network_from_plans
from petlesion.training.losses import deep_supervision, dice_and_cross_entropy, generalized_dice_focal
from petlesion.training.organ_head import CLASSES, N_LESION_ROWS, UNKNOWN, lesion_and_organ_loss
from petlesion.training.plans import (
    CONFIGURATION,
    SMALL_PLANS,
    DataStatistics,
    dataset_json,
    normalization_schemes,
    plans_document,
)

if TYPE_CHECKING:
    from torch import nn

    from petlesion.inference.normalize import Intensity
    from petlesion.recipe import ChannelScaling, Member, Recipe, Stage
    from petlesion.training.loop import Batch
    from petlesion.volume import Index

SLOTS = {"ct": 0, "pet": 1, "clicks": 2, "mask": 2}
"""Where a channel stands in the shared patches."""

COARSER = {"stomach": "digestive system", "head glands": "parotid glands"}
"""An organ of a system by the class of the shared patches that holds it."""


@dataclass(frozen=True, slots=True)
class Small:
    """The scaled-down network of an ensemble.

    Attributes:
        patch: Window in voxels, along the network's axes.
        folds: Networks of the ensemble.
        share: Of the steps that the ensembles train for; those that see another's mask need fewer.
        features: Channels by stage of nnU-Net's networks.
        blocks: Blocks by stage of nnU-Net's networks.
        arguments: Of MONAI's networks.
    """

    patch: Index = (48, 48, 48)
    folds: int = 3
    share: float = 1.0
    features: tuple[int, ...] = (8, 16, 32, 48, 64)
    blocks: tuple[int, ...] = (1, 1, 1, 1, 1)
    arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Learner:
    """One ensemble that learns.

    Attributes:
        recipe: Its system.
        stage: Its stage, on the grid of the shared cases.
        member: Its role, with the scaled-down network where that is MONAI's.
        plans: What describes the network beside its weights.
        dataset: nnU-Net's data-set description; None for MONAI's networks.
        shared: Statistics of CT and PET that the shared patches are normalised by.
    """

    recipe: Recipe
    stage: Stage
    member: Member
    plans: dict[str, Any]
    dataset: dict[str, Any] | None
    shared: tuple[Intensity, Intensity]

    @property
    def patch_zyx(self) -> Index:
        """Patch of the shared cases, (Z, Y, X) voxels."""
        if self.member.network is not None:
            x, y, z = self.member.network.patch_xyz
            return (z, y, x)
        z, y, x = self.plans["configurations"][CONFIGURATION]["patch_size"]
        return (z, y, x)

    @property
    def organs(self) -> tuple[str, ...]:
        """Organs of the organ head; none without one."""
        return self.recipe.training.organs if self.recipe.training else ()

    @property
    def n_organs(self) -> int:
        """Classes of the organ head, no organ included; 0 without one."""
        return 1 + len(self.organs) if self.organs else 0

    def build(self) -> nn.Module:
        """The network with torch's random weights; with the rows of the organ head where there is one."""
        n_inputs = len(self.stage.channels)
        if self.member.network is not None:
            return monai_network(self.member.network, n_inputs)
        return network_from_plans(self.plans, CONFIGURATION, n_inputs, N_LESION_ROWS + self.n_organs)

    @property
    def z_scores_pet(self) -> bool:
        """Whether the PET is normalised by its own mean and spread."""
        return self.recipe.training is not None and "pet" in self.recipe.training.z_scored

    def view(self, batch: Batch) -> Batch:
        """A shared batch as the network and its loss take it.

        Args:
            batch: Image (B, 3, Z, Y, X) and target (B, 2, Z, Y, X), as `Patches.batch` gives them, the PET z-scored
                where `z_scores_pet` says so.
        """
        image, target = batch
        planes = [image[:, SLOTS[name]] for name in self.stage.channels]
        if self.stage.grid is not None:
            for i, rule in enumerate(self.stage.grid.channels):
                planes[i] = self._scaled(planes[i], rule, self.stage.channels[i])
            return _turned(torch.stack(planes, dim=1)), _turned(target)
        return torch.stack(planes, dim=1), self._with_own_organs(target)

    def loss(self, output: Any, target: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - a tensor, or several
        """The system's loss of what `build`'s network gives, and a target of `view`."""
        if self.n_organs:
            return lesion_and_organ_loss(output, target)
        if self.member.training is None:
            return dice_and_cross_entropy(output, target[:, 0])
        truth = (target[:, 0] >= 0.5).float()
        if self.member.training.loss == "generalized_dice_focal":
            return generalized_dice_focal(output, truth)
        return deep_supervision(output, truth)

    def lead(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """By how much lesion leads, (B, Z, Y, X) along the network's axes; the network is in evaluation mode."""
        if self.member.network is not None:
            logit: torch.Tensor = LesionLogit(network)(image)
            return logit[:, 0]
        output: torch.Tensor = network(image)
        return output[:, 1] - output[:, 0]

    def _suv_or_hu(self, plane: torch.Tensor, name: str) -> torch.Tensor:
        known = self.shared[SLOTS[name]]
        return plane * known.std + known.mean

    def _scaled(self, plane: torch.Tensor, rule: ChannelScaling, name: str) -> torch.Tensor:
        values = plane if name == "mask" else self._suv_or_hu(plane, name)
        return (values.clamp(rule.low, rule.high) - rule.shift) / rule.scale

    def _with_own_organs(self, target: torch.Tensor) -> torch.Tensor:
        """The target with the classes of this system's organs in the place of the shared ones."""
        organs = self.organs
        shared = [name for name, _ in CLASSES]
        if not organs or list(organs) == shared:
            return target
        table = torch.zeros(UNKNOWN + 1)
        table[UNKNOWN] = UNKNOWN
        for number, organ in enumerate(organs, start=1):
            table[1 + shared.index(COARSER.get(organ, organ))] = number
        if "head glands" in organs:
            table[1 + shared.index("submandibular glands")] = 1 + organs.index("head glands")
        own = target.clone()
        own[:, 1] = table[target[:, 1].long()]
        return own


def _turned(array: torch.Tensor) -> torch.Tensor:
    """(B, C, Z, Y, X) as (B, C, X, Y, Z), and back."""
    return array.permute(0, 1, 4, 3, 2).contiguous()


def learner_of(
    recipe: Recipe,
    stage: Stage,
    member: Member,
    small: Small,
    shared: tuple[Intensity, Intensity],
    *,
    spacing_mm: float,
) -> Learner:
    """The scaled-down learner of a recipe's ensemble.

    The bounds of MONAI's channels are narrowed to those that the shared patches were clipped at; what the plans say is
    what the network saw.
    """
    if member.network is not None and stage.grid is not None and member.training is not None:
        channels = tuple(
            _narrowed(rule, None if name == "mask" else shared[SLOTS[name]])
            for name, rule in zip(stage.channels, stage.grid.channels, strict=True)
        )
        grid = replace(stage.grid, spacing_xyz_mm=(spacing_mm,) * 3, channels=channels)
        network = replace(member.network, patch_xyz=small.patch, arguments=dict(small.arguments))
        own = replace(member, network=network)
        return Learner(recipe, replace(stage, grid=grid), own, MonaiPlans(network, grid).document(), None, shared)
    schedule = recipe.nnunet_training
    size = replace(
        schedule.network,
        features=small.features,
        blocks=small.blocks,
        patch_zyx=small.patch,
        spacing_zyx_mm=(spacing_mm,) * 3,
    )
    intensities = [_properties(shared[SLOTS[name]]) for name in stage.channels]
    data = DataStatistics(
        "petlesion_phantoms",
        intensities,
        size.spacing_zyx_mm,
        (245.0, 100.0, 120.0),
        normalization_schemes(stage.channels, schedule.z_scored),
    )
    plans = plans_document(size, data, SMALL_PLANS, schedule.batch_size)
    return Learner(recipe, stage, member, plans, dataset_json(1, stage.channels), shared)


def _narrowed(rule: ChannelScaling, known: Intensity | None) -> ChannelScaling:
    if known is None:
        return rule
    return replace(rule, low=max(rule.low, known.percentile_00_5), high=min(rule.high, known.percentile_99_5))


def _properties(known: Intensity) -> dict[str, float]:
    return {
        "mean": known.mean,
        "std": known.std,
        "percentile_00_5": known.percentile_00_5,
        "percentile_99_5": known.percentile_99_5,
    }
