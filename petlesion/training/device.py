# SPDX-License-Identifier: Apache-2.0
"""Where a training at full size runs."""

from __future__ import annotations

from typing import Literal

import torch

from petlesion.limits import UsageError


def training_device(wanted: Literal["auto", "cuda", "cpu"]) -> Literal["cuda", "cpu"]:
    """The device of a training: a GPU for "auto" where there is one.

    A case may run on the CPU where a GPU was asked for; a training may not, since it would take weeks.

    Raises:
        UsageError: When "cuda" is asked for and there is none.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise UsageError("--device cuda needs an NVIDIA GPU, and none is visible; give --device cpu, which takes weeks")
    return "cuda"
