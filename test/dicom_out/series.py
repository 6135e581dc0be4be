# SPDX-License-Identifier: Apache-2.0
"""A made-up PET series, its mask and its PET in SUV: small, oblique if asked for, with a patient who is named."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

from petlesion.lesions import LesionMask
from petlesion.volume import Grid, Volume

SIZE = (12, 10, 8)  # columns, rows, slices
TURNED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)
GRID = Grid(SIZE, (4.0, 5.0, 3.0), (-20.0, 15.0, 100.0))
NAMES = ("Doe^Jane", "MRN-4711", "19550101", "ACC-1", "STUDY-9", "House^Gregory", "OTHER-1", "Nice Clinic")


def pet_slices(grid: Grid = GRID, *, downwards: bool = False) -> list[Dataset]:
    """The data sets of a series on a grid, in no order; `downwards` numbers them from the head."""
    common = _common()
    heights = list(range(grid.size_xyz[2]))
    numbers = heights[::-1] if downwards else heights
    slices = [_slice(common, grid, z, number) for z, number in zip(heights, numbers, strict=True)]
    return slices[1::2] + slices[::2]


def mask_and_pet(*voxels_xyz, grid: Grid = GRID) -> tuple[LesionMask, Volume]:
    """A mask of single voxels, each with SUV 5 and more, in SUV 1."""
    inside, pet = np.zeros(grid.shape_zyx, bool), np.ones(grid.shape_zyx, np.float32)
    for number, (x, y, z) in enumerate(voxels_xyz):
        inside[z, y, x], pet[z, y, x] = True, 5 + number
    return LesionMask.of(inside, grid), Volume(pet, grid)


def _common() -> Dataset:
    common = Dataset()
    common.SOPClassUID = PositronEmissionTomographyImageStorage
    common.PatientName, common.PatientID, common.PatientBirthDate, common.AccessionNumber = NAMES[:4]
    common.StudyID, common.ReferringPhysicianName, common.OtherPatientIDs, common.InstitutionName = NAMES[4:]
    common.PatientSex, common.Modality, common.Manufacturer = "F", "PT", "made up"
    common.StudyDate = common.SeriesDate = common.ContentDate = "20260101"
    common.StudyTime = common.SeriesTime = common.ContentTime = "120000"
    common.StudyInstanceUID, common.SeriesInstanceUID = generate_uid(), generate_uid()
    common.FrameOfReferenceUID, common.PositionReferenceIndicator = generate_uid(), ""
    common.SeriesNumber = 3
    common.SamplesPerPixel, common.PhotometricInterpretation, common.BitsAllocated = 1, "MONOCHROME2", 16
    common.BitsStored, common.HighBit, common.PixelRepresentation = 16, 15, 0
    return common


def _slice(common: Dataset, grid: Grid, z: int, number: int) -> Dataset:
    one = Dataset()
    one.update(common)
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = common.SOPClassUID
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    one.InstanceNumber = number + 1
    one.Columns, one.Rows = grid.size_xyz[:2]
    one.PixelSpacing, one.SliceThickness = [grid.spacing_mm[1], grid.spacing_mm[0]], grid.spacing_mm[2]
    axes = np.reshape(grid.direction, (3, 3))
    one.ImageOrientationPatient = [*axes[:, 0], *axes[:, 1]]
    one.ImagePositionPatient = list(grid.world_mm((0, 0, z)))
    one.PixelData = bytes(2 * one.Rows * one.Columns)
    return one
