# SPDX-License-Identifier: Apache-2.0
"""Augmentations of MONAI's systems, by the names that recipes list: MONAI's own transforms, drawn from one generator.

Spatial ones move image and truth alike, the image linearly, masks and truth by the nearest voxel. Those of intensity
change CT and PET each on its own, and leave masks as they are. Ranges of "axial_affine" and "gamma" are Ahamed's
(autoPET III); he names "elastic" and "noise" without numbers, and Safdari et al. name affine and intensity changes
alone: what is not theirs is marked.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TRUTH = "truth"
MASKS = ("mask", TRUTH)
Made = Callable[[list[str], list[str]], list[Any]]
"""MONAI's transforms for all keys, and the keys of images among them."""


def _axial_affine(keys: list[str], _images: list[str]) -> list[Any]:
    """Ahamed: shifts of up to 10 voxels, turns of up to pi/12 about the body's axis, scales of 0.9 to 1.1."""
    ranges = {"translate_range": (10,) * 3, "rotate_range": (0, 0, pi / 12), "scale_range": (0.1,) * 3}
    return [_monai().RandAffined(keys, prob=0.5, mode=_modes(keys), padding_mode="zeros", **ranges)]


def _affine(keys: list[str], _images: list[str]) -> list[Any]:
    """Turns of up to pi/12 about each axis and scales of 0.9 to 1.1; the ranges are not the paper's."""
    ranges = {"rotate_range": (pi / 12,) * 3, "scale_range": (0.1,) * 3}
    return [_monai().RandAffined(keys, prob=0.5, mode=_modes(keys), padding_mode="zeros", **ranges)]


def _elastic(keys: list[str], _images: list[str]) -> list[Any]:
    """Smooth displacements of some one or two voxels; the numbers are those of MONAI's manual, not the paper's."""
    ranges = {"sigma_range": (5, 8), "magnitude_range": (100, 200)}
    return [_monai().Rand3DElasticd(keys, prob=0.2, mode=_modes(keys), padding_mode="zeros", **ranges)]


def _gamma(_keys: list[str], images: list[str]) -> list[Any]:
    """Ahamed: x^gamma, 0.7 to 1.5, on the [0, 1] scale of each channel of the patch; the probability is not his."""
    return [_monai().RandAdjustContrastd([one], prob=0.3, gamma=(0.7, 1.5)) for one in images]


def _noise(_keys: list[str], images: list[str]) -> list[Any]:
    """Gaussian noise with a spread of up to 0.05; the number is not the paper's."""
    return [_monai().RandGaussianNoised(images, prob=0.3, std=0.05)]


def _intensity(_keys: list[str], images: list[str]) -> list[Any]:
    """Each channel scaled by 0.9 to 1.1 and shifted by up to 0.1; the numbers are not the paper's."""
    return [
        kind([one], 0.1, prob=0.5)
        for one in images
        for kind in (_monai().RandScaleIntensityd, _monai().RandShiftIntensityd)
    ]


AUGMENTATIONS: dict[str, Made] = {
    "axial_affine": _axial_affine,
    "affine": _affine,
    "elastic": _elastic,
    "gamma": _gamma,
    "noise": _noise,
    "intensity": _intensity,
}


def augmented(
    image: NDArray[np.float32],
    truth: NDArray[np.uint8],
    channels: Sequence[str],
    names: Sequence[str],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A patch after the named augmentations.

    Args:
        image: float32, (C, X, Y, Z).
        truth: 0 and 1, (X, Y, Z).
        channels: Names of the image's channels.
        names: Keys of `AUGMENTATIONS`, in order.
        rng: Source of all that is random.

    Raises:
        KeyError: When a name is none of them.
    """
    keys = [*channels, TRUTH]
    images = [key for key in keys if key not in MASKS]
    sample: dict[str, Any] = dict(zip(keys, [*image[:, None], truth[None].astype(np.float32)], strict=True))
    for name in names:
        for transform in AUGMENTATIONS[name](keys, images):
            transform.set_random_state(seed=int(rng.integers(2**32)))
            sample = transform(sample)
    arrays = [np.asarray(sample[key], np.float32)[0] for key in keys]
    return np.stack(arrays[:-1]), (arrays[-1] > 0.5).astype(np.uint8)


@cache
def _monai() -> Any:  # noqa: ANN401 - its transforms are not typed as they are called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's imports: they warn of packages that are not used here
        from monai import transforms  # noqa: PLC0415 - it takes seconds
    return transforms


def _modes(keys: list[str]) -> list[str]:
    return ["nearest" if key in MASKS else "bilinear" for key in keys]
