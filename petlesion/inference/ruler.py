# SPDX-License-Identifier: Apache-2.0
"""How many tiles a box of the PET's grid costs: what the body's box is measured with before anything is resampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.inference.tiles import SlidingWindow, tile_count

if TYPE_CHECKING:
    from petlesion.volume import Index, Triple


@dataclass(frozen=True, slots=True)
class TileRuler:
    """The tiles of one ensemble. All axes are the PET array's, (z, y, x).

    Attributes:
        patch_zyx: The networks' patch in voxels of their grid.
        ratios_zyx: PET's spacing over the networks', for each axis.
        step: Largest distance of neighbouring tiles as a fraction of the patch.
        window: Whose sliding window. MONAI's grids also count points where nnU-Net's count cells.
    """

    patch_zyx: Index
    ratios_zyx: Triple
    step: float
    window: SlidingWindow = "nnunet"

    @property
    def extent_zyx(self) -> Index:
        """The fewest voxels of the PET's grid that become a patch along each axis."""
        return (self._extent(0), self._extent(1), self._extent(2))

    def _extent(self, axis: int) -> int:
        size = max(1, math.floor((self.patch_zyx[axis] - 2) / self.ratios_zyx[axis]))  # too few, rounded or not
        while self._along(axis, size) < self.patch_zyx[axis]:
            size += 1
        return size

    def _along(self, axis: int, size: int) -> int:
        """Voxels of the networks' grid along an axis of a box of `size` voxels."""
        ratio = self.ratios_zyx[axis]
        return round(ratio * size) if self.window == "nnunet" else round((size - 1) * ratio + 1)

    def n_tiles(self, axis: int, size: int) -> int:
        """Tiles along an axis of a box of `size` voxels of the PET's grid."""
        patch = self.patch_zyx[axis]
        return tile_count(max(self._along(axis, size), patch), patch, self.step, self.window)

    def n_tiles_of(self, shape_zyx: Index) -> int:
        """Tiles of a box of this shape."""
        return math.prod(self.n_tiles(axis, size) for axis, size in enumerate(shape_zyx))
