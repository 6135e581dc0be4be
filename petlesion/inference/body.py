# SPDX-License-Identifier: Apache-2.0
"""Where the body is: the box that the networks sweep instead of the whole field of view.

nnU-Net's own crop looks for non-zero voxels, and air in a CT is -1024: it crops nothing. Most of a PET/CT's
field of view is air, so the box of the body holds a fraction of the tiles. A box is a decision, not an
identity; therefore it errs on the large side, and where anything looks odd there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cc3d
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.inference.ruler import TileRuler
    from petlesion.volume import Index, Triple

BODY_ABOVE_HU = -800.0
UPTAKE_ABOVE_SUV = 1.0
PART_ABOVE_SUV = 0.1  # trunk, head and arms take up tracer; a table does not
PART_ABOVE_ML = 100.0
SPECK_BLOCKS = 4  # uptake in fewer connected blocks, apart from the body, is noise
COARSE_MM = 5.0
MARGIN_VOXELS = 3
LEAST_MARGIN_VOXELS = 1  # what is left of it where less margin saves tiles
LEAST_BODY_ML = 500.0
LEAST_SIDE_MM = 60.0  # a table without a patient is thinner
WORTHWHILE_FRACTION = 0.95


@dataclass(frozen=True, slots=True)
class Box:
    """A box of voxels of an array (Z, Y, X), half open.

    Attributes:
        start_zyx: First voxel of each axis.
        stop_zyx: First voxel behind it.

    Raises:
        ValueError: When the box is empty or begins below 0.
    """

    start_zyx: Index
    stop_zyx: Index

    def __post_init__(self) -> None:
        if any(not 0 <= a < b for a, b in zip(self.start_zyx, self.stop_zyx, strict=True)):
            raise ValueError(f"a box holds voxels from 0 on; got {self.start_zyx} to {self.stop_zyx} (z, y, x)")

    @classmethod
    def whole(cls, shape_zyx: Index) -> Box:
        """All of an array."""
        return cls((0, 0, 0), shape_zyx)

    @property
    def shape_zyx(self) -> Index:
        """Size along each axis."""
        z, y, x = (b - a for a, b in zip(self.start_zyx, self.stop_zyx, strict=True))
        return (z, y, x)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index of an array."""
        z, y, x = (slice(a, b) for a, b in zip(self.start_zyx, self.stop_zyx, strict=True))
        return (z, y, x)

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        z, y, x = self.shape_zyx
        return z * y * x

    def joined(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            _triple(min(a, b) for a, b in zip(self.start_zyx, other.start_zyx, strict=True)),
            _triple(max(a, b) for a, b in zip(self.stop_zyx, other.stop_zyx, strict=True)),
        )

    def common(self, other: Box) -> Box | None:
        """The box that lies in both; None where there is none."""
        start = _triple(max(a, b) for a, b in zip(self.start_zyx, other.start_zyx, strict=True))
        stop = _triple(min(a, b) for a, b in zip(self.stop_zyx, other.stop_zyx, strict=True))
        return Box(start, stop) if all(a < b for a, b in zip(start, stop, strict=True)) else None

    def widened(self, margin_voxels: int, shape_zyx: Index) -> Box:
        """The box with a margin on each side, inside an array of `shape_zyx`."""
        return Box(
            _triple(max(0, a - margin_voxels) for a in self.start_zyx),
            _triple(min(n, b + margin_voxels) for b, n in zip(self.stop_zyx, shape_zyx, strict=True)),
        )

    def grown(self, extent_zyx: Index, shape_zyx: Index) -> Box:
        """The box, at least `extent_zyx` large as far as an array of `shape_zyx` has the voxels.

        It grows to both sides alike, and to the other where one ends.
        """
        sizes = [
            min(n, max(size, extent)) for n, size, extent in zip(shape_zyx, self.shape_zyx, extent_zyx, strict=True)
        ]
        starts = [
            min(max(0, a - (size - (b - a)) // 2), n - size)
            for a, b, n, size in zip(self.start_zyx, self.stop_zyx, shape_zyx, sizes, strict=True)
        ]
        return Box(_triple(starts), _triple(a + size for a, size in zip(starts, sizes, strict=True)))


def _triple(values: Iterable[int]) -> Index:
    z, y, x = (int(v) for v in values)
    return (z, y, x)


def bounding_box(mask_zyx: NDArray[Any]) -> Box | None:
    """The smallest box around the true voxels of a mask (Z, Y, X); None where there are none."""
    profiles = [np.asarray(mask_zyx.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not profiles[0].any():
        return None
    starts = _triple(int(p.argmax()) for p in profiles)
    return Box(starts, _triple(len(p) - int(p[::-1].argmax()) for p in profiles))


def body_box(case: PetCtCase, min_extent_zyx: Index, rulers: Sequence[TileRuler] = ()) -> Box | None:
    """The box of the body, for the networks to sweep.

    The box has a margin on every side, of which it gives up a part along an axis where that saves tiles.

    Args:
        case: CT, PET and clicks.
        min_extent_zyx: Least size in voxels of the PET, (z, y, x): the networks' patch. The box grows to it
            with real voxels where the image has them.
        rulers: The ensembles' tiles; none keeps the whole margin.

    Returns:
        The box, with every click inside; None (sweep everything) where no plausible body is found or the box
        saves next to nothing.
    """
    shape, spacing = case.grid.shape_zyx, case.grid.spacing_zyx_mm
    steps = _triple(max(1, round(COARSE_MM / s)) for s in spacing)
    pet = _block_maxima(case.pet_suv.array_zyx, steps)
    body = _body(case.ct_hu.array_zyx, pet, steps, spacing)
    coarse = None if body is None else bounding_box(body | _uptake(pet, body))
    if coarse is None:
        return None
    found = _fine(coarse, steps, shape)
    if not _is_plausible(found, shape, spacing):
        return None
    held = found.widened(max(steps) - 1, shape)  # voxels between two samples of the CT
    least = _with_margin(held, case, LEAST_MARGIN_VOXELS).grown(min_extent_zyx, shape)
    wanted = _with_margin(held, case, MARGIN_VOXELS).grown(min_extent_zyx, shape)
    box = snapped(least, wanted, shape, rulers)
    return box if _is_worthwhile(box, shape, rulers) else None


def snapped(least: Box, wanted: Box, shape_zyx: Index, rulers: Sequence[TileRuler]) -> Box:
    """A box around `least`, along each axis as large as `wanted`, or smaller where that saves a ruler a tile.

    Args:
        least: What must be inside.
        wanted: The box with the whole margin, around `least`.
        shape_zyx: Shape of the array that both lie in.
        rulers: Tiles to be saved.
    """
    if not rulers:
        return wanted

    def best(axis: int) -> int:
        sizes = range(wanted.shape_zyx[axis], least.shape_zyx[axis], -1)
        fewest = [ruler.n_tiles(axis, least.shape_zyx[axis]) for ruler in rulers]
        fitting = (size for size in sizes if [ruler.n_tiles(axis, size) for ruler in rulers] == fewest)
        return next(fitting, least.shape_zyx[axis])

    return least.grown((best(0), best(1), best(2)), shape_zyx)


def _with_margin(body: Box, case: PetCtCase, margin_voxels: int) -> Box:
    """The box of body and clicks with a margin around each."""
    shape = case.grid.shape_zyx
    box = body.widened(margin_voxels, shape)
    for x, y, z in (*case.clicks.tumor_xyz, *case.clicks.background_xyz):
        box = box.joined(Box((z, y, x), (z + 1, y + 1, x + 1)).widened(margin_voxels, shape))
    return box


def _is_plausible(body: Box, shape_zyx: Index, spacing_zyx_mm: Triple) -> bool:
    """Whether a body can be so thin, as far as the image is not thinner itself."""
    sides = zip(body.shape_zyx, shape_zyx, spacing_zyx_mm, strict=True)
    return all(size * mm >= min(LEAST_SIDE_MM, n * mm) for size, n, mm in sides)


def _is_worthwhile(box: Box, shape_zyx: Index, rulers: Sequence[TileRuler]) -> bool:
    """Whether the box saves tiles, or a good part of the voxels."""
    saves_tiles = any(ruler.n_tiles_of(box.shape_zyx) < ruler.n_tiles_of(shape_zyx) for ruler in rulers)
    return saves_tiles or box.n_voxels < WORTHWHILE_FRACTION * Box.whole(shape_zyx).n_voxels


def _block_maxima(array_zyx: NDArray[Any], steps: Index) -> NDArray[Any]:
    """Maximum of each block of `steps` voxels, the last ones cut off where the array ends."""
    for axis, step in enumerate(steps):
        lines = np.moveaxis(array_zyx, axis, 0)
        maxima = lines[::step].copy(order="K")
        for offset in range(1, step):
            others = lines[offset::step]
            np.maximum(maxima[: len(others)], others, out=maxima[: len(others)])
        array_zyx = np.moveaxis(maxima, 0, axis)
    return array_zyx


def _fine(coarse: Box, steps: Index, shape_zyx: Index) -> Box:
    """A box of blocks as a box of voxels."""
    return Box(
        _triple(a * step for a, step in zip(coarse.start_zyx, steps, strict=True)),
        _triple(min(n, b * step) for b, step, n in zip(coarse.stop_zyx, steps, shape_zyx, strict=True)),
    )


def _body(
    ct_hu: NDArray[Any], coarse_suv: NDArray[Any], steps: Index, spacing_zyx_mm: Triple
) -> NDArray[np.bool_] | None:
    """The body on the coarse grid: the parts that are no air and take up tracer; the largest where none does.

    An opening by one block takes the table's shells, blankets and tubes off before parts are told apart.
    """
    solid = _opened(ct_hu[tuple(slice(None, None, step) for step in steps)] > BODY_ABOVE_HU)
    labels = cc3d.connected_components(np.ascontiguousarray(solid), connectivity=6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    block_ml = float(np.prod(spacing_zyx_mm) * np.prod(steps)) / 1000.0
    if sizes.max() * block_ml < LEAST_BODY_ML:
        return None
    sums = np.bincount(labels.ravel(), weights=coarse_suv.ravel(), minlength=len(sizes))
    parts = (sizes * block_ml >= PART_ABOVE_ML) & (sums > PART_ABOVE_SUV * sizes)
    if not parts.any():
        parts[sizes.argmax()] = True
    return np.asarray(parts[labels])


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without what is thinner than three voxels along an axis; the array's borders cut nothing."""
    return ~_eroded(~_eroded(mask))  # a dilation erodes what is outside


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask eroded by a cube of three voxels, as if the voxels at the borders went on for ever."""
    for axis in range(3):
        before = np.moveaxis(mask, axis, 0)
        mask = mask.copy()
        after = np.moveaxis(mask, axis, 0)
        after[1:] &= before[:-1]
        after[:-1] &= before[1:]
    return mask


def _uptake(coarse_suv: NDArray[Any], body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks with significant uptake, without specks apart from the body."""
    either = np.ascontiguousarray((coarse_suv > UPTAKE_ABOVE_SUV) | body)
    # as bytes: of bools cc3d reckons too few labels for isolated voxels of thin grids, and raises
    labels = cc3d.connected_components(either.view(np.uint8), connectivity=26)
    kept = np.bincount(labels.ravel()) >= SPECK_BLOCKS
    kept[0] = False
    return np.asarray(kept[labels])
