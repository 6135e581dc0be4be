# SPDX-License-Identifier: Apache-2.0
"""The auxiliary organ head of the full-size networks: a second set of segmentation layers, in training only.

Source: Rokuss et al., LesionTracer (autoPET III), adopted by Mesbah et al.: a network that must name the organs as
well confuses their uptake less with tumour. Both heads have a softmax of their own and the same weight in the loss. In
evaluation the network gives the lesion's logits alone, and `petlesion weights import` leaves the head out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import nn

from petlesion.training.organs import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence


class OrganDecoder(nn.Module):
    """The decoder of a U-Net with an organ head beside each segmentation layer.

    The names of all layers stay those of the decoder; the new ones are `organ_seg_layers`, as in the published
    checkpoints.

    Args:
        decoder: The decoder of nnU-Net's U-Nets; its layers are taken over.
        n_organs: Organs, background apart.
    """

    def __init__(self, decoder: Any, n_organs: int) -> None:  # noqa: ANN401 - a `UNetDecoder`
        super().__init__()
        self.deep_supervision: bool = decoder.deep_supervision
        self.encoder, self.transpconvs, self.stages = decoder.encoder, decoder.transpconvs, decoder.stages
        self.seg_layers: nn.ModuleList = decoder.seg_layers
        self.organ_seg_layers = nn.ModuleList(
            type(head)(head.in_channels, n_organs + 1, 1) for head in decoder.seg_layers
        )

    def forward(self, skips: Sequence[torch.Tensor]) -> list[torch.Tensor] | torch.Tensor:
        """Logits from the encoder's features; in training the organs' follow the lesion's along the channels.

        Returns:
            (B, C, Z, Y, X), or with deep supervision one for each resolution, the finest first.
        """
        features, outputs = skips[-1], []
        for level, (up, stage) in enumerate(zip(self.transpconvs, self.stages, strict=True)):
            features = stage(torch.cat((up(features), skips[-2 - level]), dim=1))
            if self.deep_supervision or level == len(self.stages) - 1:
                outputs.append(self._logits(level, features))
        return outputs[::-1] if self.deep_supervision else outputs[-1]

    def _logits(self, level: int, features: torch.Tensor) -> torch.Tensor:
        lesion: torch.Tensor = self.seg_layers[level](features)
        return torch.cat((lesion, self.organ_seg_layers[level](features)), dim=1) if self.training else lesion


class LesionAndOrganLoss(nn.Module):
    """The sum of the lesion's loss and the organs', which have the same form; the lesion's alone without organs.

    Args:
        lesion: nnU-Net's loss of (logits, target).
        n_lesion_classes: Channels of the output that are the lesion head's, background included.
        dice: Settings of nnU-Net's Dice for the organs.
    """

    def __init__(self, lesion: nn.Module, n_lesion_classes: int, dice: dict[str, Any]) -> None:
        super().__init__()
        self.lesion, self.n_lesion_classes = lesion, n_lesion_classes
        self.organs = DC_and_CE_loss(dice, {}, ignore_label=UNKNOWN, dice_class=MemoryEfficientSoftDiceLoss)

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of one resolution.

        Args:
            output: (B, C, Z, Y, X): the lesion's logits, and in training the organs'.
            target: (B, 1 or 2, Z, Y, X): lesion classes, and in training organ classes.
        """
        n = self.n_lesion_classes
        lesion: torch.Tensor = self.lesion(output[:, :n], target[:, :1])
        if output.shape[1] == n:
            return lesion
        return lesion + torch.as_tensor(self.organs(output[:, n:], target[:, 1:]))
