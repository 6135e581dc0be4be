# SPDX-License-Identifier: Apache-2.0
"""Augmentation of normalised patches: mirrors, and light changes of intensity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.inference.normalize import Intensity

SUV_SD = 0.15  # of the logarithm: scales of SUV differ from site to site
SHIFT_SD = 0.05
CT_SD = 0.05
NOISE_SD = 0.05


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
