# SPDX-License-Identifier: Apache-2.0
"""Scores of a predicted mask against the truth, as the autoPET challenges define them: functions of arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from petlesion.components import Components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class MetricError(ValueError):
    """Arrays that cannot be compared."""


def dice(prediction_zyx: Mask, truth_zyx: Mask) -> float:
    """Dice coefficient 2 |P and G| / (|P| + |G|) of two boolean masks, shape (Z, Y, X); NaN when G is empty.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    _check(prediction_zyx, truth_zyx)
    truth = int(np.count_nonzero(truth_zyx))
    if truth == 0:
        return math.nan
    common = int(np.count_nonzero(prediction_zyx & truth_zyx))
    return 2 * common / (int(np.count_nonzero(prediction_zyx)) + truth)


def false_positive_ml(prediction_zyx: Mask, truth_zyx: Mask, voxel_ml: float) -> float:
    """Volume in ml of the 18-connected components of P that touch no voxel of G; 0 for an empty P.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    _check(prediction_zyx, truth_zyx)
    return _voxels_apart(prediction_zyx, truth_zyx) * voxel_ml


def false_negative_ml(prediction_zyx: Mask, truth_zyx: Mask, voxel_ml: float) -> float:
    """Volume in ml of the 18-connected components of G that touch no voxel of P; NaN when G is empty.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    _check(prediction_zyx, truth_zyx)
    return _voxels_apart(truth_zyx, prediction_zyx) * voxel_ml if truth_zyx.any() else math.nan


def _voxels_apart(mask_zyx: Mask, other_zyx: Mask) -> int:
    """Voxels of the components of a mask that share no voxel with the other."""
    parts = Components.of(mask_zyx, connectivity=18)
    return int(parts.sizes()[~parts.any(parts.values(other_zyx))].sum())


def _check(prediction_zyx: Mask, truth_zyx: Mask) -> None:
    if prediction_zyx.shape != truth_zyx.shape:
        raise MetricError(
            f"prediction and truth lie on one grid; got shapes {prediction_zyx.shape} and {truth_zyx.shape} (Z, Y, X); "
            "resample the prediction first"
        )
    if prediction_zyx.dtype != np.bool_ or truth_zyx.dtype != np.bool_:
        raise MetricError(
            f"masks are boolean; got {prediction_zyx.dtype} and {truth_zyx.dtype}: compare them with 0 first"
        )
