# SPDX-License-Identifier: Apache-2.0
"""Where a synthetic patient lies in the world: each height of the body has its own centre and size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.phantom.shapes import Box, Field
    from petlesion.volume import Triple

BEYOND_MM = 5000.0


class PlacementError(ValueError):
    """Knots that do not say where a body lies."""


@dataclass(frozen=True, slots=True)
class Level:
    """One height of the body, and where it lies in the world.

    Attributes:
        world_z_mm: Height in the world.
        body_z_mm: Height in the reference body.
        centre_mm: World x and y of the reference body's axis (x = y = 0).
        scale: World mm for each reference mm along x and y.
    """

    world_z_mm: float
    body_z_mm: float
    centre_mm: tuple[float, float]
    scale: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """A body in the world; between its levels everything is linear, beyond them the outer level's scale goes on.

    Attributes:
        levels: At least two, in rising height, both in the world and in the body.

    Raises:
        PlacementError: When there are fewer, or they do not rise.
    """

    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        world, body = np.diff([one.world_z_mm for one in self.levels]), np.diff([one.body_z_mm for one in self.levels])
        if len(self.levels) < 2 or (world <= 0).any() or (body <= 0).any():
            raise PlacementError(f"a placement has two or more levels in rising height; got {self.levels}")

    @classmethod
    def upright(cls, crown_mm: Triple, scale: float) -> Placement:
        """A body of one scale whose crown lies at a world position."""
        x, y, z = crown_mm
        return cls(tuple(Level(z + scale * far, far, (x, y), (scale, scale)) for far in (-1000.0, 0.0)))

    def to_body(self, x_mm: Field, y_mm: Field, z_mm: Field) -> tuple[Field, Field, Field]:
        """Positions in the body of positions in the world, arrays of shapes that broadcast; float32.

        Work is done once for each height that `z_mm` holds, so that a z of shape (Z, 1, 1) is cheap.
        """
        world, body, centre, scale = self._knots()
        x = (x_mm - np.interp(z_mm, world, centre[0])) / np.interp(z_mm, world, scale[0])
        y = (y_mm - np.interp(z_mm, world, centre[1])) / np.interp(z_mm, world, scale[1])
        return x.astype(np.float32), y.astype(np.float32), np.interp(z_mm, world, body).astype(np.float32)

    def world_box(self, box_mm: Box) -> Box:
        """Lowest and highest corner in the world of a box of the body."""
        world, body, centre, scale = self._knots()
        low, high = np.interp((box_mm[0][2], box_mm[1][2]), body, world)
        heights = np.array([low, *(z for z in world if low < z < high), high])
        ends = []
        for axis in (0, 1):
            middle, size = np.interp(heights, world, centre[axis]), np.interp(heights, world, scale[axis])
            sides = np.stack([middle + size * box_mm[0][axis], middle + size * box_mm[1][axis]])
            ends.append((float(sides.min()), float(sides.max())))
        (x_low, x_high), (y_low, y_high) = ends
        return (x_low, y_low, float(low)), (x_high, y_high, float(high))

    def _knots(self) -> tuple[NDArray[np.float64], ...]:
        """World heights (K,), body heights (K,), centres (2, K) and scales (2, K), with far ends added."""
        world = np.array([one.world_z_mm for one in self.levels])
        body = np.array([one.body_z_mm for one in self.levels])
        steps = (np.diff(world) / np.diff(body))[[0, -1]]
        world = np.concatenate([[world[0] - BEYOND_MM * steps[0]], world, [world[-1] + BEYOND_MM * steps[1]]])
        body = np.concatenate([[body[0] - BEYOND_MM], body, [body[-1] + BEYOND_MM]])
        ends = (self.levels[0], *self.levels, self.levels[-1])
        return world, body, np.array([e.centre_mm for e in ends]).T, np.array([e.scale for e in ends]).T
