# SPDX-License-Identifier: Apache-2.0
"""How networks are trained at full size: nnU-Net's with their plans, and MONAI's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from petlesion.volume import Index, Triple

AUTOPET_SPACING_ZYX_MM = (3.0, 2.0364201068878174, 2.0364201068878174)
"""Median spacing of autoPET's training set."""


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """A U-Net of nnU-Net's and the grid that it sees; the preset ResEnc L for whole-body PET/CT by default.

    Attributes:
        features: Channels of each stage, from the full resolution downwards; each stage halves the one before.
        blocks: Residual blocks of each stage of the encoder, beside one convolution for each stage of the decoder; of
            a plain network the convolutions of each stage, on both sides.
        patch_zyx: Patch in voxels; every edge is a multiple of 2 to the power of the halvings.
        spacing_zyx_mm: Spacing of the network's grid in mm.
        residual: Whether the encoder has residual blocks; else it is nnU-Net's plain U-Net.
    """

    features: tuple[int, ...] = (32, 64, 128, 256, 320, 320)
    blocks: tuple[int, ...] = (1, 3, 4, 6, 6, 6)
    patch_zyx: Index = (192, 192, 192)
    spacing_zyx_mm: Triple = AUTOPET_SPACING_ZYX_MM
    residual: bool = True

    def __post_init__(self) -> None:
        step = 2 ** (len(self.features) - 1)
        if len(self.features) != len(self.blocks) or len(self.features) < 2:
            raise ValueError(f"a U-Net has features and blocks for each stage, two at least; got {self}")
        if any(edge < step or edge % step for edge in self.patch_zyx):
            raise ValueError(f"with {len(self.features)} stages a patch's edges are multiples of {step}; got {self}")


@dataclass(frozen=True, slots=True)
class TrainingSchedule:
    """How the full-size networks are trained; `dataclasses.replace` makes a smaller one.

    Attributes:
        epochs: Number of epochs.
        iterations: Iterations of an epoch for each role.
        batch_size: Patches of a step.
        initial_rate: Learning rate at the start of the polynomial decay.
        organs: Labels of the auxiliary organ head, background apart; none trains without that head.
        network: The network and its grid.
        z_scored: Channels that are normalised by their own mean and spread; "ct" and "pet" otherwise by the training
            set's, in its lesions.
        misalign: Whether the CT is now and then moved against the PET.
        smooth_dice: Whether Dice is smoothed as in stock nnU-Net.
        mirror: Whether patches are mirrored in training, and so may be at inference.
        lesion_share: Share of patches around a lesion.
    """

    epochs: int
    iterations: tuple[tuple[str, int], ...]
    batch_size: int
    initial_rate: float
    organs: tuple[str, ...] = ()
    network: NetworkSize = NetworkSize()
    z_scored: tuple[str, ...] = ()
    misalign: bool = True
    smooth_dice: bool = False
    mirror: bool = True
    lesion_share: float = 0.33


@dataclass(frozen=True, slots=True)
class MonaiTraining:
    """How a network of MONAI is trained at full size; `dataclasses.replace` makes a smaller one.

    Attributes:
        epochs: Passes over the training cases, one patch of each.
        batch_size: Patches of a step.
        patch_xyz: Patch in voxels; None takes the network's window.
        optimizer: Which, with the usual constants of its paper.
        rate: Highest learning rate.
        decay: How the rate falls to zero over the epochs.
        loss: "generalized_dice_focal" or "dice_cross_entropy".
        weight_decay: The optimiser's.
        lesion_share: Share of patches around a lesion.
        augmentations: Names of the augmentations, in order; `training.monai_augment` holds them.
        coarse_dropout: Share of patches with holes cut into the "mask" channel.
        with_healthy: Whether healthy cases are trained on.
        validate_every: Epochs between validations; the last epoch is always validated.
    """

    epochs: int
    batch_size: int
    optimizer: Literal["adam", "adamw", "sgd"]
    rate: float
    decay: Literal["cosine", "polynomial"]
    loss: Literal["generalized_dice_focal", "dice_cross_entropy"]
    patch_xyz: Index | None = None
    weight_decay: float = 0.0
    lesion_share: float = 0.5
    augmentations: tuple[str, ...] = ()
    coarse_dropout: float = 0.0
    with_healthy: bool = True
    validate_every: int = 10
