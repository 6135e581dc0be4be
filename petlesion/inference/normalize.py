# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's intensity normalisations: each is a clip, a shift and a division, so one value describes any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPSILON = 1e-8  # nnU-Net's: a smaller spread counts as this


class Scheme(StrEnum):
    """nnU-Net's intensity normalisations that PET/CT models use."""

    CT = "CTNormalization"
    Z_SCORE = "ZScoreNormalization"
    RESCALE = "RescaleTo01Normalization"
    NONE = "NoNormalization"


@dataclass(frozen=True, slots=True)
class Intensity:
    """Statistics of a channel inside the training set's lesions, in the channel's unit.

    Attributes:
        mean: Mean.
        std: Standard deviation.
        percentile_00_5: 0.5 percentile, the lower bound of `CTNormalization`.
        percentile_99_5: 99.5 percentile, its upper bound.
    """

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


@dataclass(frozen=True, slots=True)
class Normalization:
    """How one channel is normalised.

    Attributes:
        scheme: Which normalisation.
        use_mask: Whether only the non-zero region counts and is changed; `Scheme.Z_SCORE` alone heeds it.
        intensity: Training statistics; `Scheme.CT` needs them.

    Raises:
        ValueError: When `Scheme.CT` comes without training statistics.
    """

    scheme: Scheme
    use_mask: bool = False
    intensity: Intensity | None = None

    def __post_init__(self) -> None:
        if self.scheme is Scheme.CT and self.intensity is None:
            raise ValueError(f"{self.scheme} needs the channel's statistics inside the training set's lesions")


@dataclass(frozen=True, slots=True)
class Scaling:
    """x -> (clip(x, low, high) - shift) / scale, in float32 as nnU-Net computes it.

    Attributes:
        low: Lower bound of the clip.
        high: Upper bound of the clip.
        shift: Subtracted after the clip.
        scale: Divides what is left.
    """

    low: float = -math.inf
    high: float = math.inf
    shift: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, rule: Normalization, image_zyx: NDArray[Any], mask_zyx: NDArray[np.bool_] | None = None) -> Scaling:
        """The scaling of one channel.

        Args:
            rule: The plans' normalisation.
            image_zyx: The channel, cropped to what is not zero; the statistics are taken from it.
            mask_zyx: Non-zero region of the same shape, heeded where the rule uses a mask.
        """
        if rule.intensity is not None and rule.scheme is Scheme.CT:
            known = rule.intensity
            return cls(known.percentile_00_5, known.percentile_99_5, known.mean, max(known.std, EPSILON))
        if rule.scheme is Scheme.Z_SCORE:
            mean, std = mean_and_std(image_zyx, mask_zyx if rule.use_mask else None)
            return cls(shift=mean, scale=max(std, EPSILON))
        if rule.scheme is Scheme.RESCALE:
            low, high = float(image_zyx.min()), float(image_zyx.max())
            return cls(shift=low, scale=max(high - low, EPSILON))
        return cls()

    def apply(self, image_zyx: NDArray[np.float32], mask_zyx: NDArray[np.bool_] | None = None) -> None:
        """Scale an array in place; with a mask, only the voxels inside it."""
        if mask_zyx is not None:
            inside = image_zyx[mask_zyx]
            self.apply(inside)
            image_zyx[mask_zyx] = inside
            return
        if math.isfinite(self.low) or math.isfinite(self.high):
            np.clip(image_zyx, self.low, self.high, out=image_zyx)
        if self.shift != 0.0:
            image_zyx -= self.shift
        if self.scale != 1.0:
            image_zyx /= self.scale


def mean_and_std(image_zyx: NDArray[Any], mask_zyx: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """Mean and standard deviation in float64, slice by slice so that no copy of the image is made.

    An empty mask gives (0, 0).
    """
    masks = [...] * len(image_zyx) if mask_zyx is None else list(mask_zyx)
    slices = [plane[mask] for plane, mask in zip(image_zyx, masks, strict=True)]
    n = sum(plane.size for plane in slices)
    if n == 0:
        return 0.0, 0.0
    mean = math.fsum(float(plane.sum(dtype=np.float64)) for plane in slices) / n
    squares = (float(np.square(np.subtract(plane, mean, dtype=np.float64)).sum()) for plane in slices)
    return mean, math.sqrt(math.fsum(squares) / n)
