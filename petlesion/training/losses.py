# SPDX-License-Identifier: Apache-2.0
"""Losses of the segmentation networks: nnU-Net's Dice (over the batch, without smoothing) and cross entropy."""

from __future__ import annotations

import torch
from torch.nn import functional

SMALLEST_SUM = 1e-8  # nnU-Net's guard: no lesion and no prediction give a Dice of 0, not NaN


def soft_dice(probability: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Soft Dice 2 |P G| / (|P| + |G|) over all voxels of the batch; 0 where both are empty.

    Args:
        probability: Of lesion, in [0, 1], any shape.
        truth: 0 and 1, or shares of a voxel between them, of the same shape.
    """
    both = (probability * truth).sum()
    return 2 * both / (probability.sum() + truth.sum()).clamp_min(SMALLEST_SUM)


def dice_and_cross_entropy(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy minus soft Dice of the lesion class.

    Args:
        logits: (B, 2, Z, Y, X): background, lesion.
        truth: (B, Z, Y, X): 0 and 1, or the share of lesion in each voxel.
    """
    logits, truth = logits.float(), truth.float()
    lead = logits[:, 1] - logits[:, 0]
    return functional.binary_cross_entropy_with_logits(lead, truth) - soft_dice(torch.sigmoid(lead), truth)
