# SPDX-License-Identifier: Apache-2.0
"""How far lesions reach: the longest diameter of each, and the largest distance within a set of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.components import Components
    from petlesion.volume import Triple

FEW = 500  # points whose distances are all measured at once; of more, only those on their convex hull
BLOCK = 1000


def longest_diameters_mm(parts: Components, spacing_zyx_mm: Triple) -> NDArray[np.float64]:
    """The longest diameter of each component in mm, (count,).

    It is the largest distance between two centres of voxel faces on its surface. These are the vertices of the mesh
    that the IBSI manual lays around a mask, and the distance its maximum 3D diameter (Zwanenburg et al., Radiology
    2020;295:328; feature L0JK). A single voxel is thus as long as its longest edge.
    """
    voxels = np.argwhere(parts.inside_zyx)[np.argsort(parts.labels, kind="stable")]
    each = np.split(voxels, np.cumsum(parts.sizes())[:-1]) if parts.count else []
    return np.array([farthest_mm(_line_ends(one) * np.asarray(spacing_zyx_mm)) for one in each])


def farthest_mm(points_mm: NDArray[np.float64]) -> float:
    """The largest distance between two of the points, (N, 3) in mm; 0 for a single one."""
    if len(points_mm) > FEW:
        points_mm = _on_the_hull(points_mm)
    blocks = range(0, len(points_mm), BLOCK)
    return max(float(cdist(points_mm[start : start + BLOCK], points_mm).max()) for start in blocks)


def _on_the_hull(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of many points that can be the end of the longest distance; all, where they lie in one plane."""
    if np.linalg.matrix_rank(points_mm - points_mm[0], tol=1e-6) < 3:
        return points_mm
    return points_mm[ConvexHull(points_mm).vertices]


def _line_ends(voxels: NDArray[np.intp]) -> NDArray[np.float64]:
    """The outer faces' centres of each line of voxels along each axis, (M, 3), of voxels (N, 3).

    Whatever other face the component has lies between two of them, and so never at the end of the longest diameter.
    """
    ends = []
    for axis, half in enumerate(np.eye(3) / 2):
        others = [other for other in range(3) if other != axis]
        line = voxels[np.lexsort(voxels[:, [axis, *others]].T)]
        begins = np.append(True, (np.diff(line[:, others], axis=0) != 0).any(axis=1))
        ends += [line[begins] - half, line[np.roll(begins, -1)] + half]
    return np.concatenate(ends)
