# SPDX-License-Identifier: Apache-2.0
"""The auxiliary organ head: a network that must name the organs confuses their uptake less with tumour.

In training the last layer has two rows for background and lesion and one for each organ class on top; the models that
are written keep the first two. Where organs are unknown, as in real studies without an organ map, the head rests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from petlesion.phantom.organs import Organ
from petlesion.training.losses import dice_and_cross_entropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_LESION_ROWS = 2
UNKNOWN = 255
CLASSES: tuple[tuple[str, tuple[Organ, ...]], ...] = (
    # The organs of the recipe `mesbah`; blood stands for the aorta, which phantoms do not tell from other vessels.
    ("brain", (Organ.BRAIN, Organ.WHITE_MATTER)),
    ("liver", (Organ.LIVER,)),
    ("kidneys", (Organ.KIDNEY, Organ.URINE)),
    ("bladder", (Organ.BLADDER,)),
    ("spleen", (Organ.SPLEEN,)),
    (
        "digestive system",
        (Organ.SMALL_BOWEL, Organ.COLON, Organ.DUODENUM, Organ.GALLBLADDER, Organ.STOMACH, Organ.CONTENT),
    ),
    ("pancreas", (Organ.PANCREAS,)),
    ("prostate", (Organ.PROSTATE,)),
    ("skeleton", (Organ.BONE, Organ.MARROW)),
    ("heart", (Organ.MYOCARDIUM,)),
    ("aorta", (Organ.BLOOD,)),
    ("lungs", (Organ.LUNG,)),
    ("parotid glands", (Organ.PAROTID,)),
    ("submandibular glands", (Organ.SUBMANDIBULAR,)),
)
N_ROWS = N_LESION_ROWS + 1 + len(CLASSES)
"""Rows of the last layer in training: background, lesion, no organ, the organs."""


def organ_classes(labels_zyx: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class of each voxel, 0 for none of them, of labels of `phantom.organs.Organ`; any shape."""
    table = np.zeros(256, np.uint8)
    for number, (_, organs) in enumerate(CLASSES, start=1):
        table[list(organs)] = number
    return table[labels_zyx]


def lesion_and_organ_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Dice and cross entropy of the lesion, and with equal weight of the organs; each head has its own softmax.

    Args:
        output: (B, N_ROWS, Z, Y, X) logits.
        target: (B, 2, Z, Y, X): share of lesion, and organ classes with `UNKNOWN` where the organs are not known.
    """
    lesion = dice_and_cross_entropy(output[:, :N_LESION_ROWS], target[:, 0])
    known = target[:, 1, 0, 0, 0] != UNKNOWN
    if not bool(known.any()):
        return lesion
    return lesion + organ_loss(output[known, N_LESION_ROWS:], target[known, 1].long())


def organ_loss(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy minus the mean soft Dice of the organs that are there; (B, C, Z, Y, X) and (B, Z, Y, X)."""
    logits = logits.float()
    entropy = functional.cross_entropy(logits, classes)
    probability = torch.softmax(logits, dim=1).transpose(0, 1).flatten(1)
    flat = classes.flatten()
    size = torch.bincount(flat, minlength=len(probability)).float()
    own = probability.gather(0, flat[None])[0]
    common = torch.zeros_like(size).scatter_add(0, flat, own)
    dice = 2 * common / (probability.sum(dim=1) + size)
    there = size > 0
    there[0] = False
    return entropy - dice[there].mean() if bool(there.any()) else entropy


def lesion_rows(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights without the organ rows of their segmentation layers: what inference takes."""
    return {
        key: tensor[:N_LESION_ROWS].clone() if key.startswith("decoder.seg_layers.") else tensor
        for key, tensor in state.items()
    }
