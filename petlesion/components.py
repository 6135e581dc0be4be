# SPDX-License-Identifier: Apache-2.0
"""Connected components of a mask, as one number for each of its voxels.

Nothing here or in what builds upon it does anything once for each component over a whole volume: sums and
maxima over components are `numpy.bincount` and `numpy.maximum.at` over the mask's voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cc3d
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Connectivity = Literal[6, 18, 26]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Components of a mask. Make it with `of`.

    Attributes:
        box: The smallest box of the volume that holds the mask.
        inside_zyx: The mask within the box, boolean.
        labels: For each voxel of the mask, in array order, the number of its component, from 0.
        count: Number of components.
    """

    box: Box
    inside_zyx: NDArray[np.bool_]
    labels: NDArray[np.intp]
    count: int

    @classmethod
    def of(cls, mask_zyx: NDArray[np.bool_], connectivity: Connectivity) -> Components:
        """Find the components of a boolean mask, shape (Z, Y, X)."""
        box = _bounding_box(mask_zyx)
        inside = mask_zyx[box].copy()  # cc3d refuses read-only memory
        # As integers, because cc3d 4.1.1 raises RuntimeError for boolean arrays as small as [[[1, 0, 1]]].
        integers = inside.view(np.uint8)
        numbers, count = cc3d.connected_components(integers, connectivity=connectivity, return_N=True)
        return cls(box, inside, numbers[inside].astype(np.intp) - 1, int(count))

    def values(self, array_zyx: NDArray[Any]) -> NDArray[Any]:
        """An array's values at the mask's voxels, in the order of `labels`; the array is as large as the volume."""
        return array_zyx[self.box][self.inside_zyx]

    def sizes(self) -> NDArray[np.intp]:
        """Voxels of each component."""
        return np.bincount(self.labels, minlength=self.count)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum over each component of one value for each voxel of the mask."""
        return np.bincount(self.labels, values, minlength=self.count).astype(np.float64, copy=False)

    def maxima(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Maximum over each component of one value for each voxel of the mask."""
        highest = np.full(self.count, -np.inf)
        np.maximum.at(highest, self.labels, values)
        return highest

    def any(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether one value or more of each component is true."""
        found = np.zeros(self.count, bool)
        found[self.labels[values]] = True
        return found


def _bounding_box(mask_zyx: NDArray[np.bool_]) -> Box:
    sides = [np.flatnonzero(mask_zyx.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (slice(int(side[0]), int(side[-1]) + 1) if side.size else slice(0, 0) for side in sides)
    return z, y, x
