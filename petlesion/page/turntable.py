# SPDX-License-Identifier: Apache-2.0
"""The rotating view: maximum-intensity projections of PET and mask from all around the body.

Seen from behind, a projection is that from the front mirrored, so that half a turn of pictures shows a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.page.shades import Picture, resized, shade, tinted
from petlesion.picture import WINDOW_SUV, along_the_body

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.volume import Volume

FRAMES = 18  # in half a turn: one every 10 degrees
VOXEL_MM = 4.0  # what the view is drawn in, or the PET's own voxels where they are larger
SEEN = 0.24  # a voxel half way between four points has a quarter of each of them, and must not be missed by them all
AIR_SUV = 0.1  # below it there is nothing to see, and nothing to turn


@dataclass(frozen=True, slots=True, eq=False)
class _Turned:
    """PET as shades and mask, both (back, left, head), in voxels of `voxel_mm`."""

    pet: NDArray[np.float32]
    mask: NDArray[np.bool_]
    voxel_mm: tuple[float, float, float]


def turntable(pet_suv: Volume, mask: Volume) -> tuple[Picture, ...]:
    """`FRAMES` pictures of half a turn, the first from the front, pixels square; the mask is red.

    Args:
        pet_suv: PET in SUV, (Z, Y, X).
        mask: Mask, non-zero in lesions, (Z, Y, X), on the PET's grid.
    """
    body = _body(pet_suv, mask)
    return tuple(_frame(body, np.pi * k / FRAMES) for k in range(FRAMES))


def _body(pet_suv: Volume, mask: Volume) -> _Turned:
    pet, spacing_mm = along_the_body(pet_suv)
    inside = along_the_body(mask)[0] != 0
    box = _box((pet > AIR_SUV) | inside)
    steps = [max(1, round(VOXEL_MM / step)) for step in spacing_mm]
    left, back, head = (step * n for step, n in zip(spacing_mm, steps, strict=True))
    return _Turned(
        _pooled(shade(pet[box], WINDOW_SUV), steps).transpose(1, 0, 2),
        _pooled(inside[box], steps).transpose(1, 0, 2),
        (back, left, head),
    )


def _box(seen: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box of what is seen, all of the array where nothing is."""
    sides = [np.flatnonzero(seen.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    return tuple(slice(int(side[0]), int(side[-1]) + 1) if side.size else slice(None) for side in sides)


def _pooled(array: NDArray[Any], steps: list[int]) -> NDArray[Any]:
    """Maxima over blocks of so many voxels; the last block along an axis may be smaller."""
    for axis, step in enumerate(steps):
        array = np.maximum.reduceat(array, np.arange(0, array.shape[axis], step), axis=axis)
    return array


def _frame(body: _Turned, angle: float) -> Picture:
    corners, weights = _sampling(body, angle)
    pet, mask = body.pet.reshape(-1, body.pet.shape[2]), body.mask.reshape(-1, body.mask.shape[2])
    seen: NDArray[np.bool_] = np.logical_or(pet.any(axis=1), mask.any(axis=1))
    points = [seen[corner] & (weight > 0) for corner, weight in zip(corners, weights, strict=True)]
    lit = np.flatnonzero(np.logical_or.reduce(points))  # the rest is air
    shades = np.zeros((lit.size, pet.shape[1]), np.float32)
    inside = np.zeros(shades.shape, np.bool_)
    for corner, weight in zip(corners, weights, strict=True):
        rows, part = corner.ravel()[lit], weight.ravel()[lit, None]
        shades += part * pet[rows]
        inside |= mask[rows] & (part > SEEN)
    columns, depths = corners[0].shape
    flat = [_highest(array, lit // depths, columns).T[::-1] for array in (shades, inside)]
    height = round(len(flat[0]) * body.voxel_mm[2] / min(body.voxel_mm[:2]))
    return resized(tinted(*flat), columns, max(1, height))


def _highest(values: NDArray[Any], column: NDArray[np.intp], columns: int) -> NDArray[Any]:
    """The maximum over the points, (N, head), of each column, (columns, head); 0 in one without points."""
    highest = np.zeros((columns, values.shape[1]), values.dtype)
    begins = np.flatnonzero(np.diff(column, prepend=-1))
    if begins.size:
        highest[column[begins]] = np.maximum.reduceat(values, begins, axis=0)
    return highest


def _sampling(body: _Turned, angle: float) -> tuple[list[NDArray[np.intp]], list[NDArray[np.float32]]]:
    """Where each point of the turned plane, (columns, depths), lies in the body's: four neighbours and their weights.

    Points outside the body's plane have no weight.
    """
    rows, columns = body.pet.shape[:2]
    step = min(body.voxel_mm[:2])
    extent = np.array([rows * body.voxel_mm[0], columns * body.voxel_mm[1]])
    half = np.arange(int(np.hypot(*extent) / step) + 1) * step
    across, depth = np.meshgrid(half - half.mean(), half - half.mean(), indexing="ij")
    row = (depth * np.cos(angle) - across * np.sin(angle)) / body.voxel_mm[0] + (rows - 1) / 2
    column = (depth * np.sin(angle) + across * np.cos(angle)) / body.voxel_mm[1] + (columns - 1) / 2
    corners, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            r, c = np.floor(row).astype(np.intp) + down, np.floor(column).astype(np.intp) + right
            weight = (1 - np.abs(row - r)) * (1 - np.abs(column - c)) * (r >= 0) * (r < rows) * (c >= 0) * (c < columns)
            corners.append(np.clip(r, 0, rows - 1) * columns + np.clip(c, 0, columns - 1))
            weights.append(weight.astype(np.float32))
    return corners, weights
