# SPDX-License-Identifier: Apache-2.0
"""Which axis of an image a network's axis is: networks of MONAI see axes of an anatomical orientation.

The world is ITK's: its axes point to the patient's left, to the back and to the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from petlesion.volume import Grid, Index

LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
"""For each letter the world's axis and the sign of its direction."""


@dataclass(frozen=True, slots=True)
class NetworkAxes:
    """How an array (Z, Y, X) becomes a network's array.

    Attributes:
        transpose: Network axis i is array axis `transpose[i]`.
        flips: Network axes that run against the array's.
    """

    transpose: Index = (0, 1, 2)
    flips: tuple[int, ...] = ()


def oriented_axes(grid: Grid, orientation: str) -> NetworkAxes:
    """The axes of an image that come closest to an orientation; oblique images keep their axes, as MONAI has it.

    Args:
        grid: The image's grid.
        orientation: Three letters, where the network's axes point: "RAS" is right, anterior, superior.

    Raises:
        ValueError: When the letters do not name each of the three directions once.
    """
    wanted = [LETTERS.get(letter, (-1, 0)) for letter in orientation]
    if sorted(axis for axis, _ in wanted) != [0, 1, 2]:
        raise ValueError(f"an orientation names right or left, anterior or posterior, superior or inferior once; got "
                         f"{orientation!r}")  # fmt: skip
    direction = np.array(grid.direction).reshape(3, 3)  # column j: where image axis j (x, y, z) points
    along = direction[[axis for axis, _ in wanted]]  # row i: how far each image axis goes along network axis i
    x, y, z = max(permutations(range(3)), key=lambda order: sum(abs(along[i, j]) for i, j in enumerate(order)))
    flips = tuple(i for i, j in enumerate((x, y, z)) if along[i, j] * wanted[i][1] < 0)
    return NetworkAxes((2 - x, 2 - y, 2 - z), flips)
