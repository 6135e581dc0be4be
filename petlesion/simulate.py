# SPDX-License-Identifier: Apache-2.0
"""Simulated clicks of a physician, by the rules of autoPET IV.

Both kinds of click are drawn alike from the 26-connected components of a mask: the lesions for tumour clicks, the hot
spots outside them for background clicks. First the centres of up to n components, then, while there are fewer than n,
random points of their boundaries. Where there is no component there is no click. Clicks may be moved by random offsets,
as a hand misses; one that would leave its component stays where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cc3d
import numpy as np
from scipy import ndimage

from petlesion.clicks import Clicks
from petlesion.volume import GridError, Index, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_CLICKS = 10
HOT_PERCENTILE = 99.75
"""Background is hot above this percentile of the PET outside the lesions (autoPET IV)."""


def simulate_clicks(
    truth: Volume,
    pet_suv: Volume,
    rng: np.random.Generator,
    *,
    n_tumor: int = N_CLICKS,
    n_background: int = N_CLICKS,
    max_offset: int = 0,
) -> Clicks:
    """Draw clicks for a case whose truth is known.

    Args:
        truth: Lesion mask, (Z, Y, X), non-zero in lesions.
        pet_suv: PET in SUV on the same grid.
        rng: Source of the choice.
        n_tumor: Number of tumour clicks where there is a lesion; else none are set.
        n_background: Number of background clicks where there is uptake above the 99.75 percentile outside the lesions.
        max_offset: Largest offset of a click along each axis, in voxels; 0 moves none.

    Raises:
        GridError: When the two volumes do not share one grid.
    """
    if not truth.grid.same_as(pet_suv.grid):
        raise GridError("truth and PET must share one grid; resample the truth to the PET first")
    lesion = truth.array_zyx != 0
    tumor = click_mask(lesion, n_tumor, rng, max_offset)
    return Clicks(tumor, click_mask(hot_background(lesion, pet_suv.array_zyx), n_background, rng, max_offset))


def click_steps(clicks: Clicks, n_steps: int = N_CLICKS) -> tuple[Clicks, ...]:
    """The interactive challenge's steps 0..n: step k has the first k clicks of each kind."""
    return tuple(Clicks(clicks.tumor_xyz[:k], clicks.background_xyz[:k]) for k in range(n_steps + 1))


def hot_background(lesion_zyx: NDArray[np.bool_], pet_suv_zyx: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Voxels outside the lesions above the 99.75 percentile of the PET there; (Z, Y, X)."""
    outside = pet_suv_zyx[~lesion_zyx]
    if not outside.size:
        return np.zeros_like(lesion_zyx)
    hot: NDArray[np.bool_] = (pet_suv_zyx > np.percentile(outside, HOT_PERCENTILE)) & ~lesion_zyx
    return hot


def click_mask(
    mask_zyx: NDArray[np.bool_], n_clicks: int, rng: np.random.Generator, max_offset: int = 0
) -> tuple[Index, ...]:
    """Clicks (x, y, z) into a mask: centres of up to `n_clicks` components, then points of their boundaries.

    A mask without a component has no click. Points can repeat, as in the challenge's own files. With an offset, each
    click is moved by up to `max_offset` voxels along each axis, where it then still lies in its component.
    """
    # A copy, as integers: cc3d refuses read-only memory, and 4.1.1 fails on booleans such as [[[1, 0, 1]]].
    labels, n_components = cc3d.connected_components(mask_zyx.astype(np.uint8), connectivity=26, return_N=True)
    if not n_components or n_clicks < 1:
        return ()
    boxes = cc3d.statistics(labels, no_slice_conversion=False)["bounding_boxes"]
    chosen = rng.permutation(n_components)[:n_clicks] + 1
    parts = [(labels[boxes[c]] == c, [s.start for s in boxes[c]]) for c in chosen]
    clicks = [_centre(part, corner) for part, corner in parts]
    clicks += [_boundary_point(*parts[turn % len(parts)], rng) for turn in range(n_clicks - len(clicks))]
    if max_offset:
        clicks = [_moved(click, *parts[turn % len(parts)], max_offset, rng) for turn, click in enumerate(clicks)]
    return tuple(clicks)


def _moved(
    click: Index, part_zyx: NDArray[np.bool_], corner_zyx: list[int], most: int, rng: np.random.Generator
) -> Index:
    """The click moved by a random offset along each axis, or as it was where that leaves its component."""
    x, y, z = (int(i) for i in np.asarray(click) + rng.integers(-most, most, size=3, endpoint=True))
    spot = tuple(i - c for i, c in zip((z, y, x), corner_zyx, strict=True))
    inside = all(0 <= i < n for i, n in zip(spot, part_zyx.shape, strict=True)) and part_zyx[spot]
    return (x, y, z) if inside else click


def _centre(part_zyx: NDArray[np.bool_], corner_zyx: list[int]) -> Index:
    """The voxel of a component that is farthest from its outside, in voxels; the first in array order among equals."""
    depth = ndimage.distance_transform_edt(np.pad(part_zyx, 1))
    return _index_xyz(np.unravel_index(int(depth.argmax()), depth.shape), [c - 1 for c in corner_zyx])


def _boundary_point(part_zyx: NDArray[np.bool_], corner_zyx: list[int], rng: np.random.Generator) -> Index:
    """A random voxel of a component with a face neighbour outside it."""
    edge = np.argwhere(part_zyx & ~ndimage.binary_erosion(part_zyx))
    return _index_xyz(edge[rng.integers(len(edge))], corner_zyx)


def _index_xyz(spot_zyx: NDArray[np.int64] | tuple[np.intp, ...], corner_zyx: list[int]) -> Index:
    z, y, x = (int(s) + c for s, c in zip(spot_zyx, corner_zyx, strict=True))
    return (x, y, z)
