# SPDX-License-Identifier: Apache-2.0
"""Volumes for a browser, read back by another reader's eyes: header and values."""

from __future__ import annotations

import gzip
import struct

import numpy as np

from petlesion.review.session import PackedMask
from petlesion.review.volumes import ct_nifti, mask_nifti, pet_nifti
from petlesion.volume import Grid, Volume

GRID = Grid((3, 2, 2), (4.0, 5.0, 3.0), (-20.0, 15.0, 100.0))


def content(packed):
    """Data type, sizes and voxels of a NIfTI-1 file, by the standard's offsets."""
    data = gzip.decompress(packed)
    size, sizes, kind = struct.unpack_from("<i", data)[0], struct.unpack_from("<8h", data, 40), data[70]
    assert (size, data[344:348]) == (348, b"n+1\0")
    return kind, sizes[1:4], data[int(struct.unpack_from("<f", data, 108)[0]) :]


def test_hu_are_rounded_and_kept_within_int16():
    values = np.array([-1024.4, 40.6, 1e6, -1e6, 0, 0.4, *[7] * 6], np.float32).reshape(GRID.shape_zyx)
    kind, sizes, voxels = content(ct_nifti(Volume(values, GRID)))
    assert (kind, sizes) == (4, (3, 2, 2))  # 4: int16
    assert np.frombuffer(voxels, "<i2").tolist() == [-1024, 41, 32767, -32768, 0, 0, *[7] * 6]


def test_suv_keep_their_bits():
    values = np.random.default_rng(0).random(GRID.shape_zyx, np.float32)
    kind, _, voxels = content(pet_nifti(Volume(values, GRID)))
    assert (kind, voxels) == (16, values.tobytes())  # 16: float32


def test_a_mask_is_of_zeros_and_ones():
    mask = np.arange(12).reshape(GRID.shape_zyx) % 3 == 0
    kind, _, voxels = content(mask_nifti(PackedMask.of(mask), GRID))
    assert (kind, voxels) == (2, mask.astype(np.uint8).tobytes())  # 2: uint8
