# SPDX-License-Identifier: Apache-2.0
"""The case as the networks know patients: its axes turned until they point left, back and up.

nnU-Net's networks see an array and no direction: of an image whose voxels run from head to foot, or whose slices are
sagittal, they would see a body that they never met in training. Axes are exchanged and turned round, which moves no
voxel in the patient and changes no value; what remains of an oblique image's angle is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from petlesion.clicks import Clicks
from petlesion.inference.orientation import oriented_axes
from petlesion.volume import Grid, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.volume import Direction, Index

UPRIGHT = "LPS"
# Images whose y runs to the front are upright, too: autoPET's data are stored so (LAS), what ITK makes of DICOM is not,
# and nnU-Net's training mirrors that axis.
EITHER_WAY_ZYX = {1}


@dataclass(frozen=True, slots=True)
class Turn:
    """An exchange and reversal of the axes of arrays (Z, Y, X) on one grid.

    Attributes:
        transpose: Axis i of the turned array is axis `transpose[i]` of the given one.
        flips: Axes of the turned array that run against the given one's.
    """

    transpose: Index = (0, 1, 2)
    flips: tuple[int, ...] = ()

    @classmethod
    def upright(cls, grid: Grid) -> Turn:
        """The turn that brings arrays on `grid` upright; none where they are."""
        axes = oriented_axes(grid, UPRIGHT)
        x, y, z = axes.transpose
        turn = cls((z, y, x), tuple(sorted(2 - axis for axis in axes.flips)))
        is_upright = turn.transpose == (0, 1, 2) and set(turn.flips) <= EITHER_WAY_ZYX
        return cls() if is_upright else turn

    def __bool__(self) -> bool:
        return self != Turn()

    def array(self, array_zyx: NDArray[Any]) -> NDArray[Any]:
        """An array (Z, Y, X), turned; a copy where there is anything to turn."""
        if not self:
            return array_zyx
        return np.ascontiguousarray(np.flip(array_zyx.transpose(self.transpose), self.flips))

    def back(self, array_zyx: NDArray[Any]) -> NDArray[Any]:
        """The array that `array` turned."""
        if not self:
            return array_zyx
        z, y, x = (self.transpose.index(axis) for axis in range(3))
        return np.ascontiguousarray(np.flip(array_zyx, self.flips).transpose((z, y, x)))

    def grid(self, grid: Grid) -> Grid:
        """The grid of turned arrays: each voxel stays where it is in the patient."""
        axes = [2 - axis for axis in reversed(self.transpose)]  # index axis i, (x, y, z), is the given one's axes[i]
        x, y, z = axes
        sizes, spacings, columns = grid.size_xyz, grid.spacing_mm, np.array(grid.direction).reshape(3, 3)[:, axes]
        first = [0, 0, 0]
        for axis in self.flips:
            columns[:, 2 - axis] *= -1
            first[axes[2 - axis]] = sizes[axes[2 - axis]] - 1
        return Grid(
            (sizes[x], sizes[y], sizes[z]),
            (spacings[x], spacings[y], spacings[z]),
            grid.world_mm((first[0], first[1], first[2])),
            cast("Direction", tuple((columns + 0.0).ravel().tolist())),  # adding 0 makes plain zeros of negative ones
        )

    def index(self, index_xyz: Index, grid: Grid) -> Index:
        """A voxel of `grid` as a voxel of the turned grid, (x, y, z)."""
        zyx = [index_xyz[2 - axis] for axis in self.transpose]
        for axis in self.flips:
            zyx[axis] = grid.shape_zyx[self.transpose[axis]] - 1 - zyx[axis]
        return (zyx[2], zyx[1], zyx[0])

    def case(self, case: PetCtCase) -> PetCtCase:
        """The case on the turned grid; the very same one where there is nothing to turn."""
        if not self:
            return case
        grid = self.grid(case.grid)
        ct_hu, pet_suv = (Volume(self.array(volume.array_zyx), grid) for volume in (case.ct_hu, case.pet_suv))
        clicks = Clicks(*(self._indices(points, case.grid) for points in _both(case.clicks)))
        return replace(case, ct_hu=ct_hu, pet_suv=pet_suv, clicks=clicks)

    def _indices(self, points: Iterable[Index], grid: Grid) -> tuple[Index, ...]:
        return tuple(self.index(point, grid) for point in points)


def _both(clicks: Clicks) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
    return clicks.tumor_xyz, clicks.background_xyz
