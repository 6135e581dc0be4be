# SPDX-License-Identifier: Apache-2.0
"""Losses of the segmentation networks.

nnU-Net's Dice (over the batch, without smoothing) and cross entropy; generalised Dice and focal loss of Ahamed; batch
Dice and binary cross entropy with deep supervision of Safdari. The last two are held to MONAI's by tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of a network's output and the truth."""

SMALLEST_SUM = 1e-8  # nnU-Net's guard: no lesion and no prediction give a Dice of 0, not NaN
SMOOTHING = 1e-5  # Ahamed's epsilon and eta, and MONAI's default, with which Safdari trained
FOCAL_WEIGHTS = (1.0, 100.0)  # background, lesion (Ahamed)
FOCAL_GAMMA = 2.0


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


def generalized_dice_focal(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Generalised Dice plus focal loss (Ahamed, autoPET III, section 2.4), as in MONAI's `GeneralizedDiceFocalLoss`.

    Generalised Dice, the mean over samples of

        1 - (2 sum_c w_c sum_i p_ci g_ci + 1e-5) / (sum_c w_c sum_i (p_ci + g_ci) + 1e-5),

    with p the softmax over the classes c, g the truth as 0 and 1 for each class, i the voxels of the sample and
    w_c = 1 / (sum_i g_ci)^2. A class that the sample lacks would have an infinite weight; it takes the other's, the
    largest finite one. The weights of large backgrounds are so small (2e-13 for 128^3 voxels) that without a lesion
    both sums drown in the 1e-5: there the focal loss alone teaches.

    Focal loss: the mean over samples, both classes and voxels of v_c (1 - q)^2 (-ln q), with q = sigmoid(logit_c)
    where g_c is 1 and 1 - sigmoid(logit_c) where it is 0, v = 1 for the background and 100 for the lesion. A sigmoid
    of each logit, not the softmax: so does MONAI, with which the system was trained.

    Args:
        logits: (B, 2, Z, Y, X): background, lesion; computed with in float32, whatever they come in.
        truth: (B, Z, Y, X): 0 and 1.
    """
    logits, truth = logits.float(), truth.float()
    classes = torch.stack([1 - truth, truth], dim=1)
    return _generalized_dice(torch.softmax(logits, dim=1), classes) + _focal(logits, classes)


def batch_dice_cross_entropy_sigmoid(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Dice loss of the whole batch plus mean binary cross entropy of one sigmoid output (Safdari, autoPET III).

    The Dice loss is 1 - (2 sum p g + 1e-5) / (sum p + sum g + 1e-5), each sum over all voxels of the batch, as that
    of MONAI's `DiceCELoss(sigmoid=True, batch=True)`: 0 where nothing is there and nothing is found.

    Args:
        logits: (B, 1, Z, Y, X), of lesion; computed with in float32, whatever they come in.
        truth: (B, Z, Y, X): 0 and 1.
    """
    logits, truth = logits[:, 0].float(), truth.float()
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * truth).sum() + SMOOTHING
    dice = overlap / (probability.sum() + truth.sum() + SMOOTHING)
    return 1 - dice + functional.binary_cross_entropy_with_logits(logits, truth)


def deep_supervision(
    outputs: torch.Tensor | Sequence[torch.Tensor], truth: torch.Tensor, loss: Loss = batch_dice_cross_entropy_sigmoid
) -> torch.Tensor:
    """Weighted mean of a loss over a network's outputs, the weights 1, 1/2, 1/4, ... in their order.

    The mean, not the sum, because Safdari's released code divides by the sum of the weights. That code enlarges coarse
    outputs to the truth; here the truth is reduced to the outputs. MONAI's `DynUNet` enlarges its outputs itself.

    Args:
        outputs: The finest first: a list of (B, C, Z, Y, X), each of its own resolution, or one tensor
            (B, K, C, Z, Y, X) of K outputs, as `DynUNet` stacks them. A plain (B, C, Z, Y, X) is one output.
        truth: (B, Z, Y, X) in full resolution: 0 and 1. A coarse output is compared with its nearest voxels.
        loss: Of one output and the truth in its resolution.
    """
    if isinstance(outputs, torch.Tensor):
        outputs = outputs.unbind(1) if outputs.ndim == truth.ndim + 2 else (outputs,)
    weights = [0.5**level for level in range(len(outputs))]
    losses = [loss(output, _resized(truth, output.shape[2:])) for output in outputs]
    total = torch.stack([weight * one for weight, one in zip(weights, losses, strict=True)]).sum()
    return total / sum(weights)


def _generalized_dice(probability: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Of probabilities and truth by class, (B, 2, Z, Y, X) both."""
    space = (2, 3, 4)
    weights = classes.sum(space).square().reciprocal()
    largest = weights.masked_fill(weights.isinf(), 0).amax(dim=1, keepdim=True)
    weights = torch.where(weights.isinf(), largest, weights)
    overlap = 2 * (weights * (probability * classes).sum(space)).sum(dim=1)
    total = (weights * (probability + classes).sum(space)).sum(dim=1)
    return (1 - (overlap + SMOOTHING) / (total + SMOOTHING)).mean()


def _focal(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Of logits and truth by class, (B, 2, Z, Y, X) both."""
    log_miss = functional.logsigmoid(-logits * (2 * classes - 1))  # ln(1 - q), without overflow
    surprise = functional.binary_cross_entropy_with_logits(logits, classes, reduction="none")
    weights = torch.tensor(FOCAL_WEIGHTS, device=logits.device).reshape(1, 2, 1, 1, 1)
    return (weights * (FOCAL_GAMMA * log_miss).exp() * surprise).mean()


def _resized(truth: torch.Tensor, size_zyx: Sequence[int]) -> torch.Tensor:
    """The truth's voxels nearest to the centres of a coarser or finer grid of the same extent."""
    if tuple(truth.shape[1:]) == tuple(size_zyx):
        return truth
    return functional.interpolate(truth[:, None].float(), size=tuple(size_zyx), mode="nearest-exact")[:, 0]
