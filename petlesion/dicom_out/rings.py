# SPDX-License-Identifier: Apache-2.0
"""A flat mask as rings along the edges of its pixels, none of which has a hole.

Readers differ in what a contour within a contour means, a hole or more of the same. So a part that has a hole is cut in
two through it: the rings of the pieces lie side by side, and every reader fills them alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_fill_holes, find_objects, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Corner = tuple[int, int]


def rings(inside: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """The closed rings of a mask, (rows, columns); each (N, 2), the last corner not repeated.

    A ring is given as (row, column) in the middle of pixels: pixel (0, 0) spans from -0.5 to 0.5.
    """
    parts, _ = label(inside)  # neighbours share an edge
    for number, box in enumerate(find_objects(parts), start=1):
        start = np.array([side.start for side in box])
        for piece in _without_holes(parts[box] == number):
            yield _ring(piece) + start - 0.5


def _without_holes(part: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """A connected part as pieces without holes, of its shape."""
    holes = binary_fill_holes(part) & ~part
    if not holes.any():
        yield part
        return
    column = int(np.argwhere(holes)[0, 1]) + 1  # right of a hole's first pixel: neither side surrounds it any more
    for side in (np.arange(part.shape[1]) < column, np.arange(part.shape[1]) >= column):
        pieces, count = label(part & side)
        for number in range(1, count + 1):
            yield from _without_holes(pieces == number)


def _ring(part: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The corners of a connected part without holes, along its edges, straight ones joined."""
    leaving = _edges(part)
    first = min(leaving)
    corners, at, heading = [first], first, (0, 1)
    while True:
        # where two edges leave a corner, the part touches itself there: the turn to the right keeps to the same pixel
        step = next(way for way in _by_turn(heading) if way in leaving[at])
        leaving[at].remove(step)
        if step != heading and at != first:
            corners.append(at)
        at, heading = (at[0] + step[0], at[1] + step[1]), step
        if at == first:
            return np.array(corners, np.float64)


def _edges(part: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """For each corner the ways along outer edges that leave it, the part on their right."""
    padded = np.pad(part, 1)
    inner = padded[1:-1, 1:-1]
    leaving: dict[Corner, list[Corner]] = {}
    sides = (
        (padded[:-2, 1:-1], (0, 0), (0, 1)),
        (padded[1:-1, 2:], (0, 1), (1, 0)),
        (padded[2:, 1:-1], (1, 1), (0, -1)),
        (padded[1:-1, :-2], (1, 0), (-1, 0)),
    )
    for neighbour, corner, way in sides:
        for row, column in (np.argwhere(inner & ~neighbour) + corner).tolist():
            leaving.setdefault((row, column), []).append(way)
    return leaving


def _by_turn(heading: Corner) -> tuple[Corner, Corner, Corner]:
    """The ways to go on: right, straight, left, with rows downwards."""
    down, right = heading
    return (right, -down), heading, (-right, down)
