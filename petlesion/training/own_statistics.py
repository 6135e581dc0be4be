# SPDX-License-Identifier: Apache-2.0
"""Mean and spread of images that a case could have been: what a z-scored channel is normalised by at inference.

Inference takes both from the whole image. How much of a body an image holds, and how much air beside it, differs from
scanner to scanner, so that training draws them: some of the case's slices, and a share of air.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_SLICES = 0.25  # of the case's slices
MOST_AIR = 0.75  # of the image; whole fields of view are some three quarters air, boxes around a limb next to none
SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class SliceSums:
    """Sums over each slice of a channel, from which the statistics of any run of slices follow.

    Attributes:
        voxels: Voxels of a slice.
        sums: Of the values, float64, (Z,).
        squares: Of their squares, float64, (Z,).
    """

    voxels: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, channel_zyx: NDArray[np.floating]) -> SliceSums:
        """The sums of a channel, (Z, Y, X)."""
        planes = [plane.astype(np.float64) for plane in channel_zyx]
        sums = np.array([plane.sum() for plane in planes])
        return cls(planes[0].size, sums, np.array([np.square(plane).sum() for plane in planes]))

    def whole(self) -> tuple[float, float]:
        """Mean and standard deviation of all slices."""
        mean, spread = self._of(slice(None))
        return mean, max(spread, SMALLEST_SPREAD)

    def drawn(self, rng: np.random.Generator, air: float) -> tuple[float, float]:
        """Mean and standard deviation of a random run of slices, in an image that holds some air beside them.

        Args:
            rng: Draws the run, a quarter of the slices or more, and the share of air, 0 to `MOST_AIR`.
            air: The channel's value in air.
        """
        n = len(self.sums)
        length = int(rng.integers(max(1, round(FEWEST_SLICES * n)), n + 1))
        first = int(rng.integers(0, n - length + 1))
        mean, spread = self._of(slice(first, first + length))
        share = rng.uniform(0, MOST_AIR)
        with_air = (1 - share) * mean + share * air
        square = (1 - share) * (spread**2 + mean**2) + share * air**2
        return with_air, max(float(np.sqrt(max(square - with_air**2, 0.0))), SMALLEST_SPREAD)

    def _of(self, run: slice) -> tuple[float, float]:
        count = self.voxels * len(self.sums[run])
        mean = float(self.sums[run].sum() / count)
        variance = float(self.squares[run].sum() / count) - mean**2
        return mean, float(np.sqrt(max(variance, 0.0)))
