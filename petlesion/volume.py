# SPDX-License-Identifier: Apache-2.0
"""Grids and volumes: where voxels lie in the patient, and what they hold.

Two index orders meet here and both are always named. Points, sizes and spacings are (x, y, z), as in SimpleITK
and the click files; arrays are (Z, Y, X), as numpy sees a SimpleITK image. World coordinates are millimetres in
the LPS system (x to the patient's left, y to the back, z to the head).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Triple = tuple[float, float, float]
Index = tuple[int, int, int]
Direction = tuple[float, float, float, float, float, float, float, float, float]

IDENTITY: Direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ORTHONORMAL_TOLERANCE = 1e-3


class GridError(ValueError):
    """A grid that cannot be: sizes, spacings or directions that no scanner produces."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular voxel grid in the patient.

    Attributes:
        size_xyz: Number of voxels along x, y, z; each at least 1.
        spacing_mm: Distance between voxel centres along x, y, z in mm; each positive and finite.
        origin_mm: World position of the centre of voxel (0, 0, 0).
        direction: Row-major 3x3 matrix whose columns are the unit vectors of the index axes.

    Raises:
        GridError: When a size, spacing, origin or direction is not as said above.
    """

    size_xyz: Index
    spacing_mm: Triple
    origin_mm: Triple = (0.0, 0.0, 0.0)
    direction: Direction = IDENTITY

    def __post_init__(self) -> None:
        if len(self.size_xyz) != 3 or any(int(n) != n or n < 1 for n in self.size_xyz):
            raise GridError(f"a grid has three sizes of at least one voxel; got {self.size_xyz}")
        if len(self.spacing_mm) != 3 or any(not math.isfinite(s) or s <= 0 for s in self.spacing_mm):
            raise GridError(f"a grid has three positive, finite spacings in mm; got {self.spacing_mm}")
        if len(self.origin_mm) != 3 or not all(math.isfinite(o) for o in self.origin_mm):
            raise GridError(f"a grid's origin is three finite numbers in mm; got {self.origin_mm}")
        axes = np.asarray(self.direction, dtype=float)
        if axes.shape != (9,) or not np.isfinite(axes).all():
            raise GridError(f"a grid's direction is nine finite numbers; got {self.direction}")
        gram = axes.reshape(3, 3).T @ axes.reshape(3, 3)
        if np.abs(gram - np.eye(3)).max() > ORTHONORMAL_TOLERANCE:
            raise GridError(f"a grid's axes must be perpendicular unit vectors; got {self.direction}")

    @property
    def shape_zyx(self) -> Index:
        """Shape of an array on this grid, (Z, Y, X)."""
        return (self.size_xyz[2], self.size_xyz[1], self.size_xyz[0])

    @property
    def spacing_zyx_mm(self) -> Triple:
        """Spacing in array order, (z, y, x), in mm."""
        return (self.spacing_mm[2], self.spacing_mm[1], self.spacing_mm[0])

    @property
    def n_voxels(self) -> int:
        """Number of voxels of the grid."""
        return math.prod(self.size_xyz)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return math.prod(self.spacing_mm) / 1000.0

    def contains(self, index_xyz: Index) -> bool:
        """Whether a voxel index (x, y, z) lies on the grid."""
        return all(0 <= i < n for i, n in zip(index_xyz, self.size_xyz, strict=True))

    def world_mm(self, index_xyz: tuple[float, ...]) -> Triple:
        """World position in mm of a (possibly fractional) voxel index (x, y, z)."""
        axes = np.asarray(self.direction).reshape(3, 3)
        step = np.asarray(index_xyz, dtype=float) * np.asarray(self.spacing_mm)
        x, y, z = np.asarray(self.origin_mm) + axes @ step
        return (float(x), float(y), float(z))

    def index_of(self, world_mm: Triple) -> Triple:
        """Fractional voxel index (x, y, z) of a world position in mm; the inverse of `world_mm`."""
        axes = np.asarray(self.direction).reshape(3, 3)
        step = np.linalg.solve(axes, np.asarray(world_mm, dtype=float) - np.asarray(self.origin_mm))
        x, y, z = step / np.asarray(self.spacing_mm)
        return (float(x), float(y), float(z))

    def bounds_mm(self) -> tuple[Triple, Triple]:
        """Lowest and highest world coordinates in mm over the grid's eight corner voxels' outer faces."""
        corners = np.array(
            [
                self.world_mm(tuple(-0.5 if low else n - 0.5 for low, n in zip(bits, self.size_xyz, strict=True)))
                for bits in np.ndindex(2, 2, 2)
            ]
        )
        low, high = corners.min(axis=0), corners.max(axis=0)
        return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))

    def same_as(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """Whether every voxel of both grids lies at the same place to within `tolerance_mm`."""
        if self.size_xyz != other.size_xyz:
            return False
        far = tuple(n - 1 for n in self.size_xyz)
        corners = [tuple(f * b for f, b in zip(far, bits, strict=True)) for bits in np.ndindex(2, 2, 2)]
        return all(math.dist(self.world_mm(c), other.world_mm(c)) <= tolerance_mm for c in corners)


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """An array on a grid.

    Attributes:
        array_zyx: Values, shape (Z, Y, X). Kept as a read-only view: make a new volume instead of writing.
        grid: Where the voxels lie.

    Raises:
        GridError: When the array's shape is not the grid's.
    """

    array_zyx: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.array_zyx.shape != self.grid.shape_zyx:
            raise GridError(
                f"an array of shape {self.array_zyx.shape} (Z, Y, X) does not fit a grid of {self.grid.shape_zyx}"
            )
        view = self.array_zyx.view()
        view.flags.writeable = False
        object.__setattr__(self, "array_zyx", view)

    def with_array(self, array_zyx: NDArray[Any]) -> Volume:
        """Another array of shape (Z, Y, X) on the same grid."""
        return Volume(array_zyx, self.grid)
