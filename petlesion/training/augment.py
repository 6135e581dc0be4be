# SPDX-License-Identifier: Apache-2.0
"""Augmentation of patches: mirrors, light changes of intensity, and holes in the mask that another network made."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.inference.normalize import Intensity

Voxel = TypeVar("Voxel", bound=np.generic)
SUV_SD = 0.15  # of the logarithm: scales of SUV differ from site to site
SHIFT_SD = 0.05
CT_SD = 0.05
NOISE_SD = 0.05
HOLES = (3, 5)  # fewest and most (Safdari, autoPET III)
HOLE_EDGE = (10, 32)  # shortest and longest, in voxels


def flip(
    image_czyx: NDArray[np.float32], target_czyx: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Mirror image and target, (C, Z, Y, X) each, along each axis with probability one half."""
    axes = tuple(int(a) + 1 for a in np.flatnonzero(rng.random(3) < 0.5))
    return np.flip(image_czyx, axes).copy(), np.flip(target_czyx, axes).copy()


def vary_intensity(image_czyx: NDArray[np.float32], pet: Intensity, rng: np.random.Generator) -> None:
    """Scale the SUV, shift and stretch the CT, and add noise to both, in place; the clicks stay as they are."""
    ct, suv = image_czyx[0], image_czyx[1]
    factor = np.float32(np.exp(rng.normal(0, SUV_SD)))
    suv *= factor
    suv += np.float32((factor - 1) * pet.mean / pet.std)
    ct *= np.float32(1 + rng.normal(0, CT_SD))
    ct += np.float32(rng.normal(0, SHIFT_SD))
    if rng.random() < 0.3:
        image_czyx[:2] += rng.normal(0, NOISE_SD * rng.random(), image_czyx[:2].shape).astype(np.float32)


def coarse_dropout(mask_zyx: NDArray[Voxel], rng: np.random.Generator) -> NDArray[Voxel]:
    """A copy of a mask with 3 to 5 boxes set to 0, so that a network learns not to rely on another one's mask.

    Source: Safdari et al., autoPET III, who do this to 8 of 10 patches. Number, edges and places are uniform; boxes
    may overlap. An edge of 10 to 32 voxels is cut to the array's where that is shorter.

    Args:
        mask_zyx: (Z, Y, X), each axis one voxel or longer; left as it is.
        rng: Source of the boxes.
    """
    dropped = mask_zyx.copy()
    for _ in range(rng.integers(*HOLES, endpoint=True)):
        edges = np.minimum(rng.integers(*HOLE_EDGE, size=3, endpoint=True), dropped.shape)
        corner = rng.integers(0, dropped.shape - edges, endpoint=True)
        dropped[tuple(slice(start, start + edge) for start, edge in zip(corner, edges, strict=True))] = 0
    return dropped
