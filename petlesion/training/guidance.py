# SPDX-License-Identifier: Apache-2.0
"""The click heatmap as the networks' grid sees it, drawn for one patch at a time.

At inference the heatmap is drawn on the PET's grid, with Gaussians whose widths are voxels of THAT grid, and then
resampled to the network's spacing. Clicks are drawn anew in each training step, so here the same map is drawn on the
network's grid at once: the widths in mm are those of a scanner's voxels, which differ from axis to axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from petlesion.recipe import HeatmapRule
    from petlesion.volume import Index, Triple

TRUNCATE = 4.0  # scipy's: a Gaussian ends after int(4 sigma + 0.5) voxels

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PatchClicks:
    """Clicks in voxels of the network's grid.

    Attributes:
        tumor_zyx: (N, 3), may be fractional, and outside the patch.
        tumor_suv: SUV at each of them, (N,).
        background_zyx: (M, 3).
    """

    tumor_zyx: Points
    tumor_suv: NDArray[np.float64]
    background_zyx: Points


def draw_guidance(
    pet_suv_zyx: NDArray[np.float32], clicks: PatchClicks, scale_zyx: Triple, rule: HeatmapRule
) -> NDArray[np.float32]:
    """The heatmap in [-1, 1] on a patch, as `click_heatmap` would give it there.

    Args:
        pet_suv_zyx: The patch's PET in SUV, (Z, Y, X); clicks are relative to its first voxel.
        clicks: All clicks of the case.
        scale_zyx: Voxels of the scanner's grid for each voxel of the network's grid.
        rule: Widths in the scanner's voxels, cut and sign.
    """
    depth, height, width = pet_suv_zyx.shape
    shape = (depth, height, width)
    heatmap = np.zeros(shape, np.float32)
    for point, suv in zip(clicks.tumor_zyx, clicks.tumor_suv, strict=True):
        bump = _bump(shape, point, rule.sigma_tumor_voxels, scale_zyx)
        if bump is not None:
            heatmap += bump * (pet_suv_zyx >= min(float(suv), rule.suv_cut))
    np.minimum(heatmap, 1, out=heatmap)
    sign = -1 if len(clicks.tumor_zyx) else rule.background_only_sign
    background = np.zeros_like(heatmap)
    for point in clicks.background_zyx:
        bump = _bump(shape, point, rule.sigma_background_voxels, scale_zyx)
        if bump is not None:
            background += bump
    background[heatmap > 0] = 0
    peak = _peak(clicks.background_zyx, rule.sigma_background_voxels, scale_zyx)
    drawn = heatmap + np.float32(sign / peak) * background
    return np.clip(drawn, -1, 1, out=drawn)  # Gaussians of near clicks can add up to more between their centres


def _bump(shape: Index, point: Points, sigma: float, scale_zyx: Triple) -> NDArray[np.float32] | None:
    """A Gaussian with peak one at `point`; None where it does not reach the patch."""
    lines = []
    for size, centre, scale in zip(shape, point, scale_zyx, strict=True):
        away = np.abs(np.arange(size) - centre) * scale
        line = np.exp(-0.5 * (away / sigma) ** 2) * (away <= int(TRUNCATE * sigma + 0.5))
        if not line.any():
            return None
        lines.append(line.astype(np.float32))
    z, y, x = lines
    bump: NDArray[np.float32] = z[:, None, None] * (y[:, None] * x)
    return bump


def _peak(points: Points, sigma: float, scale_zyx: Triple) -> float:
    """Highest sum of the Gaussians at any of their centres: near clicks add up, then the map is divided by its peak."""
    if len(points) == 0:
        return 1.0
    away = (points[:, None] - points[None]) * np.asarray(scale_zyx) / sigma
    return float(np.exp(-0.5 * (away**2).sum(axis=-1)).sum(axis=1).max())
