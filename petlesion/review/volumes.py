# SPDX-License-Identifier: Apache-2.0
"""Volumes as a browser takes them: NIfTI, lightly compressed, on the PET's grid."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from petlesion.itk import to_image
from petlesion.lesions import LesionMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.review.session import PackedMask
    from petlesion.volume import Grid, Volume

LIGHTLY = 1  # gzip's level: the way is short


def pet_nifti(pet_suv: Volume) -> bytes:
    """The PET in SUV as float32."""
    return _nifti(pet_suv.with_array(pet_suv.array_zyx.astype(np.float32, copy=False)))


def ct_nifti(ct_hu: Volume) -> bytes:
    """The CT in HU, rounded, as int16."""
    bounds = np.iinfo(np.int16)
    rounded: NDArray[np.int16] = np.clip(np.rint(ct_hu.array_zyx), bounds.min, bounds.max).astype(np.int16)
    return _nifti(ct_hu.with_array(rounded))


def mask_nifti(mask: PackedMask, grid: Grid) -> bytes:
    """The mask as uint8 of 0 and 1."""
    return _nifti(LesionMask.of(mask.unpacked(), grid))


def _nifti(volume: Volume) -> bytes:
    """A file's bytes; SimpleITK writes to paths alone."""
    with tempfile.TemporaryDirectory(prefix="petlesion-review-") as folder:
        path = Path(folder, "volume.nii.gz")
        sitk.WriteImage(to_image(volume), str(path), True, LIGHTLY)  # noqa: FBT003 - compressed; takes no keyword
        return path.read_bytes()
