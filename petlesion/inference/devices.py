# SPDX-License-Identifier: Apache-2.0
"""What a device is told before the sweeps, and how much of its memory they may plan with."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

IMAGE_SHARE = 0.5  # of a GPU's free memory; the rest is left to a window's activations
SUMS = 2  # volumes beside the image's channels: the sum of the finished sweeps, and the current one


def planned_bytes(image: torch.Tensor) -> int:
    """Memory of an image (C, Z, Y, X) in float32 with the sums of its sweeps."""
    return 4 * (image.numel() + SUMS * image[0].numel())


def first_rung(image: torch.Tensor, device: torch.device) -> int:
    """The rung of the out-of-memory ladder on which the sweeps begin, planned from the image's shape.

    Args:
        image: (C, Z, Y, X).
        device: Where the networks are to run.

    Returns:
        2 on the CPU; on a GPU 0 where image and sums fit beside the networks, else 1. See `ensemble`.
    """
    if device.type == "cpu":
        return 2
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return 0 if planned_bytes(image) <= IMAGE_SHARE * free_bytes else 1


def tuned(device: torch.device) -> AbstractContextManager[None]:
    """While inside, cuDNN times its algorithms once for each shape of layer: all windows have the same shapes."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=True) if device.type == "cuda" else nullcontext()
