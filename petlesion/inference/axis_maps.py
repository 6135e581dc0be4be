# SPDX-License-Identifier: Apache-2.0
"""Changes of one axis: matrices that map its samples to new ones, and the nearest slices."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

SplineOrder = Literal[0, 1, 2, 3, 4, 5]


@lru_cache(maxsize=16)
def spline_matrix(n_old: int, n_new: int, order: int) -> NDArray[np.float64]:
    """The map of scipy's spline from `n_old` samples to `n_new` over the same length, (n_new, n_old).

    Edges are repeated outwards (`mode="nearest"`); voxels are cells, not points (`grid_mode`). Each row sums
    to 1.
    """
    spline = cast("SplineOrder", order)
    factors = (n_new / n_old, 1.0)
    matrix = ndimage.zoom(np.eye(n_old), factors, order=spline, mode="nearest", grid_mode=True)
    matrix.flags.writeable = False
    return np.asarray(matrix)


def nearest_slices(n_old: int, n_new: int) -> NDArray[np.intp]:
    """For each of `n_new` slices the nearest of `n_old` over the same length, (n_new,), as scipy rounds."""
    centres = float(n_old) / n_new * (np.arange(n_new) + 0.5) - 0.5
    picked = ndimage.map_coordinates(np.arange(n_old), centres[None], order=0, mode="nearest")
    return np.asarray(picked, dtype=np.intp)


@lru_cache(maxsize=16)
def point_matrix(n_old: int, n_new: int, ratio: float, order: int) -> NDArray[np.float64]:
    """The map from samples 0, 1, ... to samples 0, `ratio`, 2 `ratio`, ..., (n_new, n_old); the ends are repeated.

    Args:
        n_old: Samples before.
        n_new: Samples after.
        ratio: Distance of two new samples in old ones.
        order: 1: linear; 0: the nearest.
    """
    at = np.clip(np.arange(n_new) * ratio, 0, n_old - 1)
    if order == 0:
        at = np.rint(at)
    low = np.minimum(at.astype(int), max(n_old - 2, 0))
    matrix = np.zeros((n_new, n_old))
    rows = np.arange(n_new)
    matrix[rows, low] = 1 - (at - low)
    if n_old > 1:
        matrix[rows, low + 1] += at - low
    matrix.flags.writeable = False
    return matrix
