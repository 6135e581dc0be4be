# SPDX-License-Identifier: Apache-2.0
"""Misalignment augmentation: CT and PET are minutes apart, and the patient moved.

Source: Rokuss et al., LesionTracer (autoPET III), adopted by Mesbah et al.: the CT alone is rotated by up to 5 degrees
with probability 0.1, then shifted by up to (0, 2, 2) voxels (z, y, x) with probability 0.1, before nnU-Net's spatial
transform. Angles and shifts are uniform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.spatial.spatial import create_affine_matrix_3d
from torch.nn import functional

if TYPE_CHECKING:
    from typing import Any

    from petlesion.volume import Triple

CT_CHANNEL = 0


@dataclass(frozen=True, slots=True)
class Misalignment:
    """How far the CT is moved, and how often.

    Attributes:
        rotation_degrees: Largest angle about each axis.
        p_rotation: Probability of a rotation.
        shift_zyx: Largest shift in voxels of the network's grid.
        p_shift: Probability of a shift.
    """

    rotation_degrees: float = 5.0
    p_rotation: float = 0.1
    shift_zyx: Triple = (0.0, 2.0, 2.0)
    p_shift: float = 0.1

    def draw(self, rng: np.random.Generator) -> tuple[Triple, Triple]:
        """Angles about z, y, x in radians, and a shift (z, y, x) in voxels; zeros where nothing happens."""
        turned, moved = rng.random() < self.p_rotation, rng.random() < self.p_shift
        a, b, c = np.deg2rad(rng.uniform(-1, 1, 3) * self.rotation_degrees) * turned
        z, y, x = rng.uniform(-1, 1, 3) * np.array(self.shift_zyx) * moved
        return (float(a), float(b), float(c)), (float(z), float(y), float(x))


class MisalignCt(BasicTransform):  # type: ignore[misc]  # nnU-Net's transforms have no types
    """Moves the CT channel of a sample; needs a generator under "rng" in the sample."""

    def __init__(self, misalignment: Misalignment = Misalignment()) -> None:
        super().__init__()
        self.misalignment = misalignment

    def __call__(self, **sample: Any) -> dict[str, Any]:  # noqa: ANN401 - nnU-Net's samples
        """The sample with its CT moved; `image` is (C, Z, Y, X)."""
        angles, shift_zyx = self.misalignment.draw(sample["rng"])
        if any(angles) or any(shift_zyx):
            image = sample["image"].clone()
            image[CT_CHANNEL] = moved(image[CT_CHANNEL], angles, shift_zyx)
            sample["image"] = image
        return sample


def moved(array_zyx: torch.Tensor, angles: Triple, shift_zyx: Triple) -> torch.Tensor:
    """An array (Z, Y, X) rotated about its centre, then shifted; linear, its outermost values continued outwards.

    Args:
        array_zyx: float32.
        angles: About z, y, x in radians, in voxel space, as nnU-Net's spatial transform rotates.
        shift_zyx: In voxels; what was at (z, y, x) comes to (z, y, x) + shift.
    """
    rotation = create_affine_matrix_3d(angles, (1.0, 1.0, 1.0))
    half = np.array(array_zyx.shape) / 2  # grid_sample counts in halves of the extent
    linear = rotation * half[None, :] / half[:, None]
    offset = -(rotation @ np.array(shift_zyx)) / half
    theta = torch.tensor(np.column_stack([linear[::-1, ::-1], offset[::-1]]), dtype=torch.float32)[None]
    grid = functional.affine_grid(theta, [1, 1, *array_zyx.shape], align_corners=False)
    found = functional.grid_sample(array_zyx[None, None], grid, padding_mode="border", align_corners=False)
    return found[0, 0]
