# SPDX-License-Identifier: Apache-2.0
"""Lesions: the connected components of a mask, and what a report says of each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.components import Components
from petlesion.extent import farthest_mm, longest_diameters_mm
from petlesion.volume import Grid, Triple, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# The sphere of 1 ml over which SUVpeak is the mean: (4/3) pi r^3 = 1000 mm^3, r = 6.2 mm (PERCIST; Wahl et al.,
# J Nucl Med 2009;50:122S). A voxel counts whole where its centre lies in the sphere, and the sphere stands on each of
# the lesion's voxels in turn, as in the IBSI manual's global intensity peak (Zwanenburg et al., Radiology
# 2020;295:328; feature 0F91).
PEAK_RADIUS_MM = (3 * 1000 / (4 * math.pi)) ** (1 / 3)


class LesionMaskError(ValueError):
    """A mask that is none, or that does not lie on the PET's grid."""


@dataclass(frozen=True, slots=True, eq=False)
class LesionMask(Volume):
    """A mask on a grid: uint8, (Z, Y, X), 1 in lesions and 0 elsewhere.

    Raises:
        LesionMaskError: When the array is not uint8 or holds another value.
        GridError: When the array's shape is not the grid's.
    """

    def __post_init__(self) -> None:
        Volume.__post_init__(self)
        if self.array_zyx.dtype != np.uint8 or self.array_zyx.max() > 1:
            raise LesionMaskError(
                f"a mask is uint8 with values 0 and 1; got {self.array_zyx.dtype} with values up to "
                f"{self.array_zyx.max()}: make it with `LesionMask.of`"
            )

    @classmethod
    def of(cls, inside_zyx: NDArray[np.bool_], grid: Grid) -> LesionMask:
        """The mask of a boolean array, shape (Z, Y, X)."""
        return cls(inside_zyx.astype(np.uint8), grid)


@dataclass(frozen=True, slots=True)
class Lesion:
    """One 26-connected component of a mask.

    Attributes:
        number: 1 for the largest lesion of the mask, and so on.
        n_voxels: Number of voxels.
        volume_ml: Volume in ml.
        suv_max: Highest SUV of its voxels.
        suv_mean: Mean SUV of its voxels.
        suv_peak: Highest mean SUV over the voxels of a sphere of 1 ml (radius 6.2 mm) whose centre is one of the
            lesion's voxels. The sphere may reach out of the lesion; where it leaves the image, the rest counts.
        tlg: Total lesion glycolysis, SUVmean times volume, in ml (with PSMA, the total lesion uptake).
        longest_diameter_mm: Largest distance between the centres of two of its outer faces, in mm.
        centroid_xyz: Mean of its voxel indices (x, y, z).
        centroid_mm: World position of the centroid in mm.
    """

    number: int
    n_voxels: int
    volume_ml: float
    suv_max: float
    suv_mean: float
    suv_peak: float
    tlg: float
    longest_diameter_mm: float
    centroid_xyz: Triple
    centroid_mm: Triple


def measure_lesions(mask: Volume, pet_suv: Volume) -> tuple[Lesion, ...]:
    """Measure every lesion of a mask, the largest first; of equals, the one nearest the array's start first.

    Args:
        mask: uint8 of 0 and 1, (Z, Y, X).
        pet_suv: PET in SUV, (Z, Y, X), on the same grid.

    Raises:
        LesionMaskError: When the mask holds other values, or the grids differ.
    """
    if not mask.grid.same_as(pet_suv.grid):
        raise LesionMaskError("mask and PET must share one grid; put the mask on the PET's grid first")
    inside = LesionMask(mask.array_zyx, mask.grid).array_zyx.view(np.bool_)
    return _measured(Components.of(inside, connectivity=26), pet_suv)


def tmtv_ml(lesions: Iterable[Lesion]) -> float:
    """Total metabolic tumour volume in ml."""
    return sum((lesion.volume_ml for lesion in lesions), 0.0)


def total_tlg(lesions: Iterable[Lesion]) -> float:
    """Total lesion glycolysis over all lesions, in ml."""
    return sum((lesion.tlg for lesion in lesions), 0.0)


def dmax_mm(lesions: Iterable[Lesion]) -> float | None:
    """The largest distance between the centroids of two lesions in mm; None where there are not two.

    Centroids, as where it was introduced (Cottereau et al., J Nucl Med 2020;61:40 and Ann Oncol 2021;32:404).
    """
    centroids = np.array([lesion.centroid_mm for lesion in lesions])
    return farthest_mm(centroids) if len(centroids) > 1 else None


def _measured(parts: Components, pet_suv: Volume) -> tuple[Lesion, ...]:
    grid, suv = pet_suv.grid, parts.values(pet_suv.array_zyx).astype(np.float64)
    sizes, sums, highest = parts.sizes(), parts.sums(suv), parts.maxima(suv)
    indices_zyx = _indices_zyx(parts)
    peaks = parts.maxima(_sphere_means(indices_zyx, pet_suv))
    centroids = [parts.sums(index) / sizes for index in indices_zyx[::-1]]
    diameters = longest_diameters_mm(parts, grid.spacing_zyx_mm)
    lesions = []
    for number, k in enumerate(np.argsort(-sizes, kind="stable").tolist(), start=1):
        x, y, z = (float(axis[k]) for axis in centroids)
        lesions.append(
            Lesion(
                number=number,
                n_voxels=int(sizes[k]),
                volume_ml=int(sizes[k]) * grid.voxel_ml,
                suv_max=float(highest[k]),
                suv_mean=float(sums[k] / sizes[k]),
                suv_peak=float(peaks[k]),
                tlg=float(sums[k]) * grid.voxel_ml,
                longest_diameter_mm=float(diameters[k]),
                centroid_xyz=(x, y, z),
                centroid_mm=grid.world_mm((x, y, z)),
            )
        )
    return tuple(lesions)


def _indices_zyx(parts: Components) -> NDArray[np.intp]:
    """Indices (z, y, x) in the volume of the mask's voxels, (3, N)."""
    corner = np.array([[side.start] for side in parts.box], np.intp)
    indices: NDArray[np.intp] = np.stack(np.nonzero(parts.inside_zyx)) + corner
    return indices


def _sphere_means(centres: NDArray[np.intp], pet_suv: Volume) -> NDArray[np.float64]:
    """Mean SUV of the sphere around each of the voxels (z, y, x), (3, N) -> (N,)."""
    shape = np.array(pet_suv.grid.shape_zyx)[:, None]
    sphere = _sphere_zyx(pet_suv.grid.spacing_zyx_mm)
    reach = sphere.max(axis=0)[:, None]
    deep = ((centres >= reach) & (centres < shape - reach)).all(axis=0)
    means = np.empty(deep.size)
    means[deep] = _means_inside(pet_suv.array_zyx, centres[:, deep], sphere)
    means[~deep] = _means_at_faces(pet_suv.array_zyx, centres[:, ~deep], sphere)
    return means


def _sphere_zyx(spacing_zyx_mm: Triple) -> NDArray[np.intp]:
    """Offsets (z, y, x) of the voxels whose centres lie in a sphere of 1 ml around a voxel's centre, (K, 3)."""
    reach = [int(PEAK_RADIUS_MM / step) for step in spacing_zyx_mm]
    offsets = np.indices([2 * r + 1 for r in reach]).reshape(3, -1).T - reach
    distance = np.linalg.norm(offsets * spacing_zyx_mm, axis=1)
    inside: NDArray[np.intp] = offsets[distance <= PEAK_RADIUS_MM]
    return inside


def _means_inside(array_zyx: NDArray[Any], centres: NDArray[np.intp], sphere: NDArray[np.intp]) -> NDArray[np.float64]:
    """Means around centres (3, N) whose spheres lie inside the array: plain offsets of its flat form."""
    flat, index = array_zyx.ravel(), np.ravel_multi_index(tuple(centres), array_zyx.shape)
    total = np.zeros(len(index))
    for step in (sphere @ [array_zyx[0].size, array_zyx.shape[2], 1]).tolist():
        total += flat[index + step]
    return total / len(sphere)


def _means_at_faces(
    array_zyx: NDArray[Any], centres: NDArray[np.intp], sphere: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Means around centres (3, N) over the part of the sphere that lies inside the array."""
    last = np.array(array_zyx.shape)[:, None] - 1
    total, counted = np.zeros(centres.shape[1]), np.zeros(centres.shape[1])
    for offset in sphere:
        voxels = centres + offset[:, None]
        clipped = np.clip(voxels, 0, last)
        inside = (voxels == clipped).all(axis=0)
        total += np.where(inside, array_zyx[tuple(clipped)], 0)
        counted += inside
    return total / counted
