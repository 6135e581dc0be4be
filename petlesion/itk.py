# SPDX-License-Identifier: Apache-2.0
"""Volumes as SimpleITK images and back: the one place where the two index orders are exchanged."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from petlesion.volume import Grid, Volume


def to_image(volume: Volume) -> sitk.Image:
    """A copy of the volume as a SimpleITK image; bool becomes uint8."""
    array = volume.array_zyx
    image = sitk.GetImageFromArray(array.view(np.uint8) if array.dtype == bool else array)
    image.SetSpacing(volume.grid.spacing_mm)
    image.SetOrigin(volume.grid.origin_mm)
    image.SetDirection(volume.grid.direction)
    return image


def to_volume(image: sitk.Image) -> Volume:
    """A copy of a 3-D SimpleITK image of single values as a volume of the same pixel type.

    Raises:
        GridError: When the image's geometry is none that a scanner produces.
    """
    return Volume(sitk.GetArrayFromImage(image), grid_of(image))


def grid_of(image: sitk.Image | sitk.ImageFileReader) -> Grid:
    """Grid of a 3-D image, or of a reader that has read a header.

    Raises:
        GridError: When the geometry is none that a scanner produces.
    """
    return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def resample_onto(volume: Volume, grid: Grid, outside: float) -> Volume:
    """The volume interpolated linearly at the voxels of `grid`, float32; `outside` where it has no voxels."""
    image = sitk.Resample(
        to_image(volume),
        grid.size_xyz,
        sitk.Transform(),
        sitk.sitkLinear,
        grid.origin_mm,
        grid.spacing_mm,
        grid.direction,
        outside,
        sitk.sitkFloat32,
    )
    return Volume(sitk.GetArrayFromImage(image), grid)
