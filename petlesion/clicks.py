# SPDX-License-Identifier: Apache-2.0
"""A physician's clicks: where there is tumour, and where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from petlesion.volume import Grid, Index


@dataclass(frozen=True, slots=True)
class Clicks:
    """Points a physician set, as voxel indices (x, y, z) of the PET grid.

    Attributes:
        tumor_xyz: Points inside lesions.
        background_xyz: Points inside physiological uptake.
    """

    tumor_xyz: tuple[Index, ...] = ()
    background_xyz: tuple[Index, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tumor_xyz or self.background_xyz)

    def __len__(self) -> int:
        return len(self.tumor_xyz) + len(self.background_xyz)

    def within(self, grid: Grid) -> Clicks:
        """The clicks that lie on `grid`."""
        return Clicks(
            tuple(p for p in self.tumor_xyz if grid.contains(p)),
            tuple(p for p in self.background_xyz if grid.contains(p)),
        )
