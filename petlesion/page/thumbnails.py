# SPDX-License-Identifier: Apache-2.0
"""Each lesion's thumbnail: a square of the axial slice that holds most of it, PET in colours over the CT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.components import Components
from petlesion.page.outline import outline
from petlesion.page.shades import WINDOW_HU, Picture, fused, inverse_grey, resized, shade
from petlesion.picture import WINDOW_SUV, along_the_body, voxels_along_the_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from petlesion.volume import Volume

FIELD_MM = 140.0  # of a small lesion; a larger one has a margin around it
MARGIN_MM = 30.0
PIXELS = 200
AIR_HU = -1024.0


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A lesion in its slice, seen from the feet: the patient's right on the left, the face up.

    Attributes:
        number: The lesion's number in the report.
        picture: `PIXELS` x `PIXELS`.
        outline: The mask in the slice as the path of an SVG of that size.
        field_mm: Width and height of the square in mm.
    """

    number: int
    picture: Picture
    outline: str
    field_mm: float


def thumbnails(pet_suv: Volume, ct_hu: Volume | None, mask: Volume, most: int) -> tuple[Thumbnail, ...]:
    """A thumbnail of each of the `most` largest lesions of a mask, in the report's order.

    Args:
        pet_suv: PET in SUV, (Z, Y, X).
        ct_hu: CT in HU on the PET's grid; without it the PET is shown alone, in grey.
        mask: Mask, non-zero in lesions, on the PET's grid.
        most: How many thumbnails are made at most.
    """
    pet, spacing_mm = along_the_body(pet_suv)
    ct = None if ct_hu is None else along_the_body(ct_hu)[0]
    inside = along_the_body(mask)[0] != 0
    lesions = zip(range(1, most + 1), lesions_along_the_body(mask), strict=False)
    return tuple(_thumbnail(number, voxels, (pet, ct, inside), spacing_mm[:2]) for number, voxels in lesions)


def lesions_along_the_body(mask: Volume) -> Iterator[NDArray[np.intp]]:
    """The voxels of each lesion along the body, (N, 3), in the order of `measure_lesions`."""
    parts = Components.of(mask.array_zyx != 0, connectivity=26)
    voxels = np.argwhere(parts.inside_zyx) + [side.start for side in parts.box]
    along = voxels_along_the_body(voxels, mask.grid)[np.argsort(parts.labels, kind="stable")]
    each = np.split(along, np.cumsum(parts.sizes())[:-1])
    yield from (each[k] for k in np.argsort(-parts.sizes(), kind="stable"))


def _thumbnail(
    number: int,
    voxels: NDArray[np.intp],
    arrays: tuple[NDArray[Any], NDArray[Any] | None, NDArray[np.bool_]],
    pixel_mm: tuple[float, float],
) -> Thumbnail:
    pet, ct, inside = arrays
    head = int(np.bincount(voxels[:, 2]).argmax())
    flat = voxels[voxels[:, 2] == head, :2]
    low, high = flat.min(axis=0), flat.max(axis=0) + 1
    field_mm = max(FIELD_MM, float(((high - low) * pixel_mm).max()) + 2 * MARGIN_MM)
    square = _Square((low + high) / 2, np.maximum(1, np.round(field_mm / np.array(pixel_mm)).astype(int)))
    suv = _large(shade(square.cut(pet[..., head], 0), WINDOW_SUV))
    grey = None if ct is None else _large(shade(square.cut(ct[..., head], AIR_HU), WINDOW_HU))
    picture = inverse_grey(suv) if grey is None else fused(grey, suv)
    rows, columns = square.cut(inside[..., head], 0).shape
    path = outline(square.cut(inside[..., head], 0), (PIXELS / columns, PIXELS / rows))
    return Thumbnail(number, picture, path, field_mm)


@dataclass(frozen=True, slots=True, eq=False)
class _Square:
    """A square of a slice (left, back): its centre, between voxels, and its size in voxels."""

    centre: NDArray[np.float64]
    size: NDArray[np.intp]

    def cut(self, plane: NDArray[Any], outside: float) -> NDArray[Any]:
        """The square as (rows, columns), the face in the first row."""
        start = np.round(self.centre - self.size / 2).astype(int)
        stop = start + self.size
        before, after = np.maximum(0, -start), np.maximum(0, stop - plane.shape)
        (left, back), (left_end, back_end) = np.maximum(0, start), np.minimum(stop, plane.shape)
        inner = plane[left:left_end, back:back_end]
        return np.pad(inner, tuple(zip(before, after, strict=True)), constant_values=outside).T


def _large(share: NDArray[np.float32]) -> NDArray[np.float32]:
    grey = np.asarray(resized(inverse_grey(share), PIXELS, PIXELS), np.float32)
    return (1 - grey / 255).astype(np.float32)
