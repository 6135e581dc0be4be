# SPDX-License-Identifier: Apache-2.0
"""Clicks and PET to one guidance channel in [-1, 1]: tumour positive, background negative.

The channel is defined by Gaussians over the whole volume (Mesbah et al., autoPET IV). A truncated
Gaussian is zero outside a box of a few centimetres around its click, so only these boxes are computed.
Every value has the bits that `scipy.ndimage.gaussian_filter` gives for the whole volume: the filter
mirrors an array at its faces; where the volume cuts a box, both mirror at the same face, and elsewhere
the mirror image is out of the kernel's reach.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import connected_components

from petlesion.case import CaseError
from petlesion.inference.allocator import sparse_zeros

if TYPE_CHECKING:
    from petlesion.clicks import Clicks
    from petlesion.recipe import HeatmapRule
    from petlesion.volume import Index

TRUNCATE = 4.0  # widths after which a Gaussian is cut: scipy's default, and so the released code's

Box = tuple[slice, slice, slice]
Map = NDArray[np.float32]


def click_heatmap(clicks: Clicks, pet_suv_zyx: NDArray[np.float32], rule: HeatmapRule) -> Map:
    """Draw clicks as the guidance channel.

    Each tumour click is a Gaussian that is zero where SUV < min(SUV at the click, T) and one at its peak;
    they are summed and cut at one. The background clicks are blurred together, zeroed where the tumour
    map is positive, and divided by their maximum. No clicks give zeros; no input gives NaN.

    Args:
        clicks: Voxel indices (x, y, z), all of them inside the volume.
        pet_suv_zyx: PET in SUV, shape (Z, Y, X).
        rule: Widths, cut and sign.

    Returns:
        Tumour minus background, float32, shape (Z, Y, X), in [-1, 1].

    Raises:
        CaseError: When a click lies outside the volume.
    """
    shape = pet_suv_zyx.shape
    tumor, background = _points_zyx(clicks.tumor_xyz, shape), _points_zyx(clicks.background_xyz, shape)
    heatmap = sparse_zeros(shape)
    for point in tumor:
        _add_tumor_click(heatmap, point, pet_suv_zyx, rule)
    sign = -1 if tumor else rule.background_only_sign
    _add_background(heatmap, sorted(set(background)), rule, sign)
    return heatmap


def _points_zyx(points_xyz: tuple[Index, ...], shape: tuple[int, ...]) -> list[Index]:
    points = [(z, y, x) for x, y, z in points_xyz]
    for point in points:
        if not all(0 <= i < n for i, n in zip(point, shape, strict=True)):
            raise CaseError(
                f"clicks lie inside the volume of {shape[::-1]} voxels (x, y, z); got {point[::-1]}; "
                "drop it first, as `Clicks.within` does"
            )
    return points


def _add_tumor_click(heatmap: Map, point: Index, pet_suv_zyx: NDArray[np.float32], rule: HeatmapRule) -> None:
    box = _box([point], heatmap.shape, rule.sigma_tumor_voxels)
    local = (point[0] - box[0].start, point[1] - box[1].start, point[2] - box[2].start)
    pet = pet_suv_zyx[box]
    bump = _bump(pet.shape, local, rule.sigma_tumor_voxels).copy()
    bump[pet < min(float(pet[local]), rule.suv_cut)] = 0
    bump /= bump.max()  # never zero: the clicked voxel itself is not below its own SUV
    region = heatmap[box]
    region += bump
    np.minimum(region, 1, out=region)


def _add_background(heatmap: Map, points: list[Index], rule: HeatmapRule, sign: int) -> None:
    sigma = rule.sigma_background_voxels
    # Every map is masked by the tumour map before the first one is added to it.
    maps = [_background_map(heatmap, group, rule) for group in _clusters(points, 2 * _radius(sigma))]
    peak = max((local.max() for _, local in maps), default=np.float32(0))
    if peak == 0:  # no background clicks, or the tumour map covers all of them
        return
    for box, local in maps:
        np.divide(local, sign * peak, out=local)  # in place: the boxes of many clicks together are large
        heatmap[box] += local


def _background_map(heatmap: Map, points: list[Index], rule: HeatmapRule) -> tuple[Box, Map]:
    box = _box(points, heatmap.shape, rule.sigma_background_voxels)
    clicked = np.zeros(heatmap[box].shape, np.float32)
    clicked[tuple(np.transpose(points) - np.array([[s.start] for s in box]))] = 1
    covered = heatmap[box] > 0
    if rule.spare_clicked_voxels:
        covered &= clicked == 0
    local = _blur(clicked, rule.sigma_background_voxels)
    local[covered] = 0
    return box, local


def _radius(sigma: float) -> int:
    return int(TRUNCATE * sigma + 0.5)


def _box(points: list[Index], shape: tuple[int, ...], sigma: float) -> Box:
    """The part of the volume that the Gaussians of `points` reach."""
    radius = _radius(sigma)
    low = np.maximum(np.min(points, axis=0) - radius, 0).tolist()
    high = np.minimum(np.max(points, axis=0) + radius + 1, shape).tolist()
    return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))


def _clusters(points: list[Index], reach: int) -> list[list[Index]]:
    """Groups of points whose boxes meet: rounding tells if they were blurred together or one by one."""
    if not points:
        return []
    near = np.ones((len(points), len(points)), bool)
    for coordinate in np.transpose(points):
        near &= np.abs(np.subtract.outer(coordinate, coordinate)) <= reach
    count, label = connected_components(near, directed=False)
    return [[p for p, k in zip(points, label, strict=True) if k == group] for group in range(count)]


@lru_cache(maxsize=64)
def _bump(shape: Index, point: Index, sigma: float) -> Map:
    """A blurred unit impulse; the same array for all clicks that are not near a face, so it is kept."""
    impulse = np.zeros(shape, np.float32)
    impulse[point] = 1
    bump = _blur(impulse, sigma)
    bump.flags.writeable = False
    return bump


def _blur(array: Map, sigma: float) -> Map:
    """`scipy.ndimage.gaussian_filter` in place: axis by axis, as there, but no all-zero lines."""
    for axis in range(3):
        lines: NDArray[Any] = np.moveaxis(array, axis, -1)
        used = lines.any(axis=-1)
        lines[used] = gaussian_filter1d(lines[used], sigma, axis=-1, truncate=TRUNCATE)
    return array
