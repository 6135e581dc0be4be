# SPDX-License-Identifier: Apache-2.0
"""The logit itself on the PET's grid, of which `restore` gives the sign alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from petlesion.inference.preprocess import _network_view
from petlesion.inference.resample import resample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.inference.preprocess import ModelInput

OUTSIDE_LOGIT = -30.0


def restore_logit(logit_zyx: NDArray[np.float32], model_input: ModelInput) -> NDArray[np.float32]:
    """float32, (Z, Y, X), with `OUTSIDE_LOGIT` where no network looked."""
    logit = np.full(model_input.shape_zyx, OUTSIDE_LOGIT, dtype=np.float32)
    resample(logit_zyx, model_input.way_back, _network_view(logit, model_input))
    return logit
