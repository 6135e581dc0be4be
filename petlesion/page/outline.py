# SPDX-License-Identifier: Apache-2.0
"""The outline of a flat mask as the path of an SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from contourpy import contour_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray


def outline(inside: NDArray[np.bool_], pixel: tuple[float, float]) -> str:
    """The closed lines around a mask as the `d` of an SVG path, "" where the mask is empty.

    Args:
        inside: The mask, (rows, columns), the first row at the top.
        pixel: Width and height of a pixel in the picture's units, whose (0, 0) is the upper left corner of the first.
    """
    padded = np.pad(inside, 1).astype(np.float32)  # so that a lesion at the edge is closed
    lines = contour_generator(z=padded).lines(0.5)
    return "".join(_closed((np.asarray(line) - 0.5) * pixel) for line in lines)  # centres of pixels lie half one in


def _closed(points: NDArray[np.float64]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points[:-1]) + "Z"
