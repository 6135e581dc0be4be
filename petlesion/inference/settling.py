# SPDX-License-Identifier: Apache-2.0
"""Tiles that need no further sweep: those in which the first sweeps find nothing, by a margin, at any voxel.

Not exact, so off by default. In the sweeps that leave such a tile out, the margin itself stands for its answer: the
tile goes on voting for background, with less weight than its networks gave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

AGREEING = 2  # sweeps that must find a tile clear
CLEAR = -3.0  # the logit below which a voxel is clear: a probability of 4.7 %


@dataclass(slots=True)
class Settling:
    """What the first sweeps saw in each tile.

    Attributes:
        wanted: Whether tiles are ever left out.
        highest: The highest logit of each tile, by its place in the tiling, in the sweeps that must agree.
    """

    wanted: bool
    highest: dict[int, float] = field(default_factory=dict)

    def see(self, sweep: int, tile: int, logit: torch.Tensor) -> None:
        """Note the answer of a tile in sweep number `sweep`, from 0."""
        if self.wanted and sweep < AGREEING:
            self.highest[tile] = max(self.highest.get(tile, float("-inf")), float(logit.max()))

    def skips(self, sweep: int, tile: int) -> bool:
        """Whether a tile is left out of this sweep."""
        return self.wanted and sweep >= AGREEING and self.highest[tile] < CLEAR

    def skipped(self, sweeps: int) -> int:
        """How many tiles so many sweeps have left out together."""
        clear = sum(highest < CLEAR for highest in self.highest.values())
        return clear * max(sweeps - AGREEING, 0)
