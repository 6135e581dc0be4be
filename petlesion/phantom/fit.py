# SPDX-License-Identifier: Apache-2.0
"""The synthetic body brought to a real patient's organs: what the organ map leaves out is drawn around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from petlesion.phantom.organs import Organ
from petlesion.phantom.placement import Level, Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.phantom.organ_map import OrganMap
    from petlesion.volume import Grid

ENDS = (0.005, 0.995)  # quantiles that stand for the ends of an organ: stray voxels do not count
LANDMARKS: tuple[tuple[str, float | None, float], ...] = (
    # Organ, quantile of its voxels' height (None: the mean), height in the reference body in mm.
    ("BRAIN", ENDS[1], -10.0),
    ("BRAIN", ENDS[0], -162.0),
    ("LUNG", ENDS[1], -285.0),
    ("MYOCARDIUM", None, -462.0),
    ("LIVER", None, -566.0),
    ("KIDNEY", None, -639.0),
    ("BLADDER", ENDS[0], -855.0),
)
LEAST_ML = {"BRAIN": 300.0, "LUNG": 500.0, "MYOCARDIUM": 150.0, "LIVER": 400.0, "KIDNEY": 60.0, "BLADDER": 10.0}
STEEPEST = 1.9  # world mm for each reference mm, or the inverse: beyond it a landmark is not believed
LUNG_HALF_MM = (127.0, 76.0)  # of the reference body, for a girth of one
LUNG_Y_MM = 15.0
HEAD_HALF_MM = (65.0, 82.0)
SKIN_MM = 12.0


def place_around(organs: OrganMap, girth: float) -> Placement:
    """Where the reference body lies so that its organs fall on those of a map: heights, centre and widths.

    Args:
        organs: The map. Of brain, lungs, heart, liver, kidneys and bladder those that it holds are used.
        girth: Of the body, see `Body.girth`.
    """
    grid = organs.labels.grid
    points = {name: _world(organs.voxels(name), grid) for name in LEAST_ML}
    seen = {n: p for n, p in points.items() if len(p) * grid.voxel_ml >= LEAST_ML[n]}
    heights = _heights(seen)
    middle = np.mean(grid.bounds_mm(), axis=0)
    scale = np.clip(_trunk_scale(seen, girth), 0.75, 1.4)
    trunk = _trunk_centre(seen, middle, scale)
    levels = []
    for world_z, body_z in heights:
        if body_z > -180 and "BRAIN" in seen:
            half = np.ptp(np.quantile(seen["BRAIN"][:, :2], ENDS, axis=0), axis=0) / 2
            own = np.clip(half / HEAD_HALF_MM, 0.8, 1.25)
            centre = seen["BRAIN"][:, :2].mean(axis=0) - own * (0, 4)
        elif body_z < -800 and "BLADDER" in seen:
            own = scale
            centre = np.array([0.5 * trunk[0] + 0.5 * seen["BLADDER"][:, 0].mean(), trunk[1]])
        else:
            own, centre = scale, trunk
        levels.append(Level(world_z, body_z, (float(centre[0]), float(centre[1])), (float(own[0]), float(own[1]))))
    return Placement(tuple(levels[::-1]))


def overlay(labels: NDArray[np.uint8], organs: OrganMap) -> None:
    """Put the organs of a map into painted labels (Z, Y, X) of `Organ`, in place.

    Organs of the map's scheme that were painted elsewhere become fat; around the map's organs there is a skin.
    """
    painted = [organ for organ in organs.organs() if organ is not Organ.BLOOD]
    labels[np.isin(labels, painted)] = Organ.FAT
    body = organs.labels.array_zyx > 0
    open_air = _near(body, organs.labels.grid) & np.isin(labels, (Organ.AIR, Organ.TABLE))
    labels[open_air] = Organ.FAT
    for box, mask, organ in organs.parts():
        labels[box][mask] = organ


def _world(voxels_zyx: NDArray[np.int64], grid: Grid) -> NDArray[np.float64]:
    """World positions (x, y, z) of voxels, (N, 3)."""
    step = (np.asarray(grid.direction).reshape(3, 3) * np.asarray(grid.spacing_mm)).T
    placed: NDArray[np.float64] = voxels_zyx[:, ::-1] @ step + np.asarray(grid.origin_mm)
    return placed


def _heights(seen: dict[str, NDArray[np.float64]]) -> list[tuple[float, float]]:
    """Pairs (world z, body z) from the head down; a landmark that would stretch the body too much is left out."""
    pairs: list[tuple[float, float]] = []
    for name, level, body_z in LANDMARKS:
        if name not in seen:
            continue
        z = seen[name][:, 2]
        world_z = float(z.mean() if level is None else np.quantile(z, level))
        if pairs:
            stretch = (pairs[-1][0] - world_z) / (pairs[-1][1] - body_z)
            if not 1 / STEEPEST < stretch < STEEPEST:
                continue
        pairs.append((world_z, body_z))
    if not pairs:
        return [(0.0, 0.0), (-1000.0, -1000.0)]
    if len(pairs) == 1:
        pairs.append((pairs[0][0] - 500, pairs[0][1] - 500))
    return pairs


def _trunk_scale(seen: dict[str, NDArray[np.float64]], girth: float) -> NDArray[np.float64]:
    """World mm for each reference mm of the trunk, along x and y."""
    if "LUNG" not in seen:
        return np.ones(2)
    half = np.ptp(np.quantile(seen["LUNG"][:, :2], ENDS, axis=0), axis=0) / 2
    return np.asarray(half / (np.asarray(LUNG_HALF_MM) * girth))


def _trunk_centre(
    seen: dict[str, NDArray[np.float64]], middle: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """World x and y of the trunk's axis."""
    if "LUNG" not in seen:
        return middle[:2]
    centre = np.quantile(seen["LUNG"][:, :2], ENDS, axis=0).mean(axis=0)
    return np.asarray(centre - scale * (0, LUNG_Y_MM))


def _near(body_zyx: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Voxels within `SKIN_MM` of a mask, by boxes along the axes."""
    width = [2 * round(SKIN_MM / s) + 1 for s in grid.spacing_zyx_mm]
    grown: NDArray[np.bool_] = ndimage.maximum_filter(body_zyx.view(np.uint8), width) > 0
    return grown
