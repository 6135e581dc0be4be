# SPDX-License-Identifier: Apache-2.0
"""The full-size network of each ensemble, as its recipe says it, with torch's own random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.inference.monai_networks import monai_network
from petlesion.inference.networks import network_from_plans
from petlesion.training.plans import CONFIGURATION, network_plans

if TYPE_CHECKING:
    from torch import nn

    from petlesion.recipe import Member, Recipe, Stage
    from petlesion.volume import Index, Triple


@dataclass(frozen=True, slots=True)
class FullSize:
    """A network and its window.

    Attributes:
        network: On the default device, so that under `torch.device("meta")` it costs nothing.
        patch: Window in voxels along the network's axes: (x, y, z) for MONAI's networks, (z, y, x) for nnU-Net's.
        spacing_mm: Spacing of its grid along the same axes.
    """

    network: nn.Module
    patch: Index
    spacing_mm: Triple


def full_size(recipe: Recipe, stage: Stage, member: Member) -> FullSize:
    """The full-size network of one ensemble."""
    n_channels = len(stage.channels)
    if member.network is not None and stage.grid is not None:
        network = monai_network(member.network, n_channels)
        return FullSize(network, member.network.patch_xyz, stage.grid.spacing_xyz_mm)
    size = recipe.nnunet_training.network
    network = network_from_plans(network_plans(size), CONFIGURATION, n_channels, 2)
    return FullSize(network, size.patch_zyx, size.spacing_zyx_mm)
