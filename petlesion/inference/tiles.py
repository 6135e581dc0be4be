# SPDX-License-Identifier: Apache-2.0
"""Where tiles lie and how they are weighted: geometry only, all of it in the network's array order.

Corners, weights and padding are those of nnU-Net 2.8's sliding window, or of MONAI 1.6's (padding is the same in
both). The corners are a product of one list for each axis and the weight is a product of one curve for each axis, so
the sum of weights over all tiles is a product of three curves too: it never needs a volume of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from petlesion.volume import Index

SIGMA = 1 / 8  # width of the weight as a fraction of the patch, as in nnU-Net
PEAK = 10.0  # weight of a patch's centre: half precision would lose its corners at 1

Starts = tuple[tuple[int, ...], ...]
SlidingWindow = Literal["nnunet", "monai"]
Axes = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def tile_starts(shape_zyx: Index, patch_zyx: Index, step: float, window: SlidingWindow = "nnunet") -> Starts:
    """First voxels of the tiles along each axis, the first at 0, the last at the far end.

    Args:
        shape_zyx: Size of the (padded) array; at least the patch along each axis.
        patch_zyx: Size of a tile.
        step: Largest distance of neighbouring tiles as a fraction of the patch, in (0, 1].
        window: "nnunet": evenly spread; "monai": whole strides, but for the last tile.

    Raises:
        ValueError: When the array is smaller than the patch, or the step is out of its range.
    """
    if not 0 < step <= 1:
        raise ValueError(f"the tile step is a fraction of the patch in (0, 1]; got {step}")
    if any(n < p for n, p in zip(shape_zyx, patch_zyx, strict=True)):
        raise ValueError(f"an array of {shape_zyx} holds no patch of {patch_zyx}; pad it first, as `padding` says")
    along_axis = _even_starts if window == "nnunet" else _strided_starts
    return tuple(along_axis(n, p, step) for n, p in zip(shape_zyx, patch_zyx, strict=True))


def tile_count(size: int, patch: int, step: float, window: SlidingWindow = "nnunet") -> int:
    """Tiles along an axis of `size` voxels, at least `patch`; it never falls as the axis grows."""
    return len((_even_starts if window == "nnunet" else _strided_starts)(size, patch, step))


def _strided_starts(size: int, patch: int, step: float) -> tuple[int, ...]:
    stride = max(1, int(patch * step))
    return tuple(dict.fromkeys(min(i, size - patch) for i in range(0, size - patch + stride, stride)))


def _even_starts(size: int, patch: int, step: float) -> tuple[int, ...]:
    gaps = math.ceil((size - patch) / (patch * step))
    return tuple(round((size - patch) / gaps * i) for i in range(gaps + 1)) if gaps else (0,)


def tile_corners(starts: Starts) -> tuple[Index, ...]:
    """The lowest voxel (z, y, x) of every tile, the last axis running fastest."""
    return tuple((z, y, x) for z, y, x in product(*starts))


def gaussian_axes(patch_zyx: Index) -> Axes:
    """The three curves whose product, over its maximum and times `PEAK`, is a tile's weight."""
    z, y, x = (_gaussian(size) for size in patch_zyx)
    return z, y, x


def _gaussian(size: int) -> NDArray[np.float64]:
    impulse = np.zeros(size)
    impulse[size // 2] = 1
    return gaussian_filter1d(impulse, size * SIGMA, mode="constant")


def importance(patch_zyx: Index) -> NDArray[np.float32]:
    """Weights of a tile's voxels, float32, shape (Z, Y, X), `PEAK` at the centre.

    The bits are those of nnU-Net's whole-patch Gaussian before its cast. nnU-Net lifts zeros to the smallest
    weight, as its half precision loses the corners; four widths from the centre, float32 holds them all
    (3.8e-11 of the peak), so there is nothing to lift.
    """
    z, y, x = gaussian_axes(patch_zyx)
    weight = (z[:, None] * y)[:, :, None] * x
    weight /= weight.max() / PEAK
    return weight.astype(np.float32)


def weight_sum_axes(starts: Starts, patch_zyx: Index, shape_zyx: Index, window: SlidingWindow = "nnunet") -> Axes:
    """Three curves, float64, of lengths Z, Y, X, whose product is the sum of `Tiling.importance` over all tiles."""
    flat = (np.ones(patch_zyx[0]), np.ones(patch_zyx[1]), np.ones(patch_zyx[2]))
    curves = gaussian_axes(patch_zyx) if window == "nnunet" else flat
    z, y, x = (_axis_sum(*axis) for axis in zip(starts, curves, shape_zyx, strict=True))
    return z * PEAK, y, x


def _axis_sum(starts: tuple[int, ...], curve: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    total = np.zeros(size)
    for start in starts:
        total[start : start + len(curve)] += curve / curve.max()
    return total


def padding(shape_zyx: Index, patch_zyx: Index) -> tuple[tuple[int, int], ...]:
    """Voxels to add (below, above) along each axis so that a patch fits; the odd one goes above."""
    missing = [max(p - n, 0) for n, p in zip(shape_zyx, patch_zyx, strict=True)]
    return tuple((m // 2, m - m // 2) for m in missing)


Window = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Tiling:
    """The tiles of one array, with the padding that a patch larger than the array needs. Make it with `of`.

    Attributes:
        shape_zyx: Shape of the array before padding.
        patch_zyx: Size of a tile.
        margins: Voxels padded (below, above) along each axis.
        starts: First voxels of the tiles along each axis of the padded array.
        window: Whose sliding window it is.
    """

    shape_zyx: Index
    patch_zyx: Index
    margins: tuple[tuple[int, int], ...]
    starts: Starts
    window: SlidingWindow = "nnunet"

    @classmethod
    def of(cls, shape_zyx: Sequence[int], patch_zyx: Index, step: float, window: SlidingWindow = "nnunet") -> Tiling:
        """The tiling of an array; ValueError for a step outside (0, 1]."""
        z, y, x = shape_zyx
        margins = padding((z, y, x), patch_zyx)
        padded = _sum_of((z, y, x), margins)
        return cls((z, y, x), patch_zyx, margins, tile_starts(padded, patch_zyx, step, window), window)

    @property
    def padded_zyx(self) -> Index:
        """Shape of the padded array."""
        return _sum_of(self.shape_zyx, self.margins)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return math.prod(len(axis) for axis in self.starts)

    def windows(self) -> Iterator[Window]:
        """The tiles as indices of the padded array."""
        for z, y, x in tile_corners(self.starts):
            depth, height, width = self.patch_zyx
            yield (slice(z, z + depth), slice(y, y + height), slice(x, x + width))

    def pad(self, array_czyx: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, Z, Y, X) with zeros around it where the patch is larger; else the array itself."""
        return np.pad(array_czyx, [(0, 0), *self.margins]) if any(map(any, self.margins)) else array_czyx

    def unpad(self, array_zyx: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of a padded (Z, Y, X) that is the array."""
        return array_zyx[tuple(slice(low, low + n) for (low, _), n in zip(self.margins, self.shape_zyx, strict=True))]

    def importance(self) -> NDArray[np.float32]:
        """Weights of a tile's voxels, float32, (Z, Y, X): a Gaussian for nnU-Net's window, alike for MONAI's."""
        return importance(self.patch_zyx) if self.window == "nnunet" else np.full(self.patch_zyx, PEAK, np.float32)

    def divide_by_weights(self, total_zyx: torch.Tensor, times: int = 1) -> None:
        """Divide a padded sum of weighted tiles, in place, by the weights of `times` passes over them."""
        z, y, x = weight_sum_axes(self.starts, self.patch_zyx, self.padded_zyx, self.window)
        for axis in (z[:, None, None] * times, y[:, None], x):
            total_zyx /= torch.from_numpy(axis.astype(np.float32)).to(total_zyx.device)


def _sum_of(shape_zyx: Index, margins: tuple[tuple[int, int], ...]) -> Index:
    z, y, x = (n + low + high for n, (low, high) in zip(shape_zyx, margins, strict=True))
    return (z, y, x)
