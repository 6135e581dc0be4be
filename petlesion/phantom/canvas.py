# SPDX-License-Identifier: Apache-2.0
"""The painting of a synthetic patient onto a grid of voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from petlesion.phantom.shapes import Field, Shape, SmoothNoise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.phantom.patient import Body, Structure
    from petlesion.volume import Grid, Triple

WARP_PITCH_MM = 80.0
WARP_SD_MM = 4.0
SLAB_SLICES = 12


def paint(body: Body, grid: Grid, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint a body onto a grid as labels of `Organ`, shape (Z, Y, X).

    Every position is moved by a smooth random field first, so that no organ keeps its ideal shape. The work goes
    slab by slab, and in each slab only within a structure's box, so that memory stays small.
    """
    labels = np.zeros(grid.shape_zyx, dtype=np.uint8)
    canvas = _Canvas(body, grid, rng)
    for first in range(0, grid.size_xyz[2], SLAB_SLICES):
        canvas.paint_slab(labels, first, min(first + SLAB_SLICES, grid.size_xyz[2]))
    return labels


class _Canvas:
    """Where the voxels of a grid lie in a body, and the painting of one slab."""

    def __init__(self, body: Body, grid: Grid, rng: np.random.Generator) -> None:
        self.placement = body.placement
        self.step = np.asarray(grid.direction).reshape(3, 3) * np.asarray(grid.spacing_mm)
        self.start = np.asarray(grid.origin_mm)
        self.spacing_zyx = grid.spacing_zyx_mm
        z, y, x = (n * s for n, s in zip(grid.shape_zyx, grid.spacing_zyx_mm, strict=True))
        self.warp = [SmoothNoise((z, y, x), WARP_PITCH_MM, rng) for _ in range(3)]
        self.size_xyz = grid.size_xyz
        self.placed = [(s, self._index_box(s.shape)) for s in body.structures]

    def _index_box(self, shape: Shape) -> NDArray[np.int64]:
        """First and one-past-last voxel (x, y, z) of a structure with room for the warp, shape (2, 3)."""
        room = 3 * WARP_SD_MM
        lowest, highest = shape.box_mm()
        wide = (_moved(lowest, -room), _moved(highest, room))
        ends = self.placement.world_box(wide)
        corners = np.array([[ends[b][a] for a, b in enumerate(bits)] for bits in np.ndindex(2, 2, 2)])
        index = np.linalg.solve(self.step, (corners - self.start).T).T
        span = np.stack([np.floor(index.min(axis=0)), np.ceil(index.max(axis=0)) + 1])
        box: NDArray[np.int64] = np.clip(span, 0, self.size_xyz).astype(np.int64)
        return box

    def paint_slab(self, labels: NDArray[np.uint8], first: int, last: int) -> None:
        """Paint the slices first..last-1."""
        inside = [(s, b) for s, b in self.placed if b[0, 2] < last and b[1, 2] > first and (b[1] > b[0]).all()]
        if not inside:
            return
        low = np.min([b[0] for _, b in inside], axis=0)
        high = np.max([b[1] for _, b in inside], axis=0)
        low[2], high[2] = first, last
        points = self._points(low, high)
        for structure, box in inside:
            start, stop = np.maximum(box[0], low), np.minimum(box[1], high)
            here = tuple(slice(a, b) for a, b in zip((start - low)[::-1], (stop - low)[::-1], strict=True))
            there = tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))
            _fill(labels[there], structure, [p[here] for p in points])

    def _points(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> list[Field]:
        """Body positions x, y, z of the voxels low..high-1, warped; each (Z, Y, X)."""
        i, j, k = (np.arange(a, b) for a, b in zip(low, high, strict=True))
        world = []
        for axis in range(3):
            line = np.full((1, 1, 1), self.start[axis])
            for step, index, shape in zip(
                self.step[axis], (i, j, k), ((1, 1, -1), (1, -1, 1), (-1, 1, 1)), strict=True
            ):
                line = line + (step * index).reshape(shape) if step else line
            world.append(line)
        z, y, x = (n * s for n, s in zip((k, j, i), self.spacing_zyx, strict=True))
        points = []
        for warp, place in zip(self.warp, self.placement.to_body(world[0], world[1], world[2]), strict=True):
            field = warp.at(z, y, x)
            field *= np.float32(WARP_SD_MM)
            field += place
            points.append(field)
        return points


def _moved(point: Triple, by_mm: float) -> Triple:
    x, y, z = point
    return (x + by_mm, y + by_mm, z + by_mm)


def _fill(labels: NDArray[np.uint8], structure: Structure, points: list[Field]) -> None:
    distance = structure.shape.distance_mm(*points)
    free = None if structure.only_in is None else np.isin(labels, structure.only_in)
    for depth, organ in structure.layers:
        inside = distance < -depth
        labels[inside if free is None else inside & free] = organ
