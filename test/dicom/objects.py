# SPDX-License-Identifier: Apache-2.0
"""Small DICOM objects, made up: studies of a few slices of 4 x 3 voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    from pathlib import Path

PET, CT = "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_PET, SECONDARY = "1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.7"
RWV, DIRECTORY = "1.2.840.10008.5.1.4.1.1.67", "1.2.840.10008.1.3.10"
ROWS, COLUMNS = 3, 4
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# What must never be read, kept, logged or written
PATIENT = {"PatientName": "Doe^Jane^Secretive", "PatientID": "MRN-0815", "PatientBirthDate": "19310417"}
SECRETS = ("Doe", "Jane", "Secretive", "MRN-0815", "19310417", "1931")


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def drug(**changes) -> Dataset:
    """400 MBq of FDG at 10:00."""
    item = Dataset()
    item.Radiopharmaceutical = "FDG"
    item.RadiopharmaceuticalStartTime = "100000"
    item.RadionuclideTotalDose = 400e6
    item.RadionuclideHalfLife = 6586.2
    item.RadionuclideCodeSequence = Sequence([code("77004003", "^18^Fluorine")])
    item.RadiopharmaceuticalCodeSequence = Sequence([code("35321007", "Fluorodeoxyglucose F^18^")])
    return changed(item, changes)


def changed(item: Dataset, changes: dict) -> Dataset:
    """The item with some values set, and those that are None removed."""
    for keyword, value in changes.items():
        if value is None:
            if keyword in item:
                delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    return item


def file_of(sop_class: str, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    """An empty object of one patient, one study."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = sop_class, syntax
    meta.MediaStorageSOPInstanceUID = generate_uid()
    header = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID, header.FrameOfReferenceUID = "1.2.3", "1.2.3.9"
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = "20200102"
    header.SeriesTime = header.AcquisitionTime = "110000"
    return changed(header, PATIENT)


def pet_header(**changes) -> FileDataset:
    """A PET slice in Bq/ml of a patient of 80 kg, an hour after the injection, without position or pixels."""
    header = file_of(PET)
    header.Modality, header.SeriesInstanceUID, header.SeriesDescription = "PT", "1.2.3.1", "PET AC"
    header.ImageType, header.SeriesType = ["ORIGINAL", "PRIMARY"], ["STATIC", "IMAGE"]
    header.Units, header.DecayCorrection = "BQML", "START"
    header.CorrectedImage = ["ATTN", "DECY"]
    header.PatientWeight, header.PatientSize, header.PatientSex = 80, 1.8, "F"
    header.FrameReferenceTime, header.ActualFrameDuration = 0, 120000
    header.Manufacturer = "Scanners Ltd"
    header.RadiopharmaceuticalInformationSequence = Sequence([drug()])
    return changed(header, changes)


def ct_header(**changes) -> FileDataset:
    header = file_of(CT)
    header.Modality, header.SeriesInstanceUID, header.SeriesDescription = "CT", "1.2.3.2", "CT body"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.RescaleIntercept, header.RescaleSlope = -1024, 1
    return changed(header, changes)


def place(header: FileDataset, z_mm: float, pixels: np.ndarray | int = 100, **changes) -> FileDataset:
    """The header as a slice at a height, with its pixels."""
    given = np.asarray(pixels, np.int16)
    array = given if given.ndim else np.full((ROWS, COLUMNS), given)
    header.Rows, header.Columns = array.shape
    header.PixelSpacing, header.ImageOrientationPatient = [4.0, 2.0], list(AXIAL)
    header.ImagePositionPatient = [-10.0, -20.0, z_mm]
    header.SamplesPerPixel, header.PhotometricInterpretation = header.get("SamplesPerPixel", 1), "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    header.PixelData = np.ascontiguousarray(array).tobytes()
    return changed(header, changes)


def save(header: FileDataset, folder: Path, name: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{header.SOPInstanceUID}")
    header.save_as(path, enforce_file_format=True)
    return path


def pet_series(folder: Path, places_mm=(0.0, 3.0, 6.0, 9.0), **changes) -> list[Path]:
    """A PET series whose slice at place k holds k + 1 everywhere."""
    return [
        save(
            place(pet_header(**changes), z, k + 1, InstanceNumber=k + 1),
            folder,
            f"pet{changes.get('SeriesInstanceUID', '')}{k}",
        )
        for k, z in enumerate(places_mm)
    ]


def ct_series(folder: Path, places_mm=(-3.0, 0.0, 3.0, 6.0, 9.0, 12.0), **changes) -> list[Path]:
    """A CT series of 10 k HU in its slice k."""
    return [
        save(place(ct_header(**changes), z, 1024 + 10 * k), folder, f"ct{changes.get('SeriesInstanceUID', '')}{k}")
        for k, z in enumerate(places_mm)
    ]


def enhanced_pet(folder: Path, places_mm=(0.0, 3.0, 6.0, 9.0), slopes=(1.0, 2.0, 3.0, 4.0), **changes) -> Path:
    """A multi-frame PET, corrected for decay to 11:00; frame k holds 5 before its own slope."""
    header = file_of(ENHANCED_PET)
    header.Modality, header.SeriesInstanceUID = "PT", "1.2.3.7"
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.AttenuationCorrected, header.DecayCorrected = "YES", "YES"
    header.DecayCorrectionDateTime = "20200102110000"
    header.PatientWeight = 80
    header.RadiopharmaceuticalInformationSequence = Sequence([drug()])
    place(header, 0.0)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(header, keyword)
    header.NumberOfFrames = len(places_mm)
    header.PixelData = np.full((len(places_mm), ROWS, COLUMNS), 5, np.int16).tobytes()
    header.SharedFunctionalGroupsSequence = Sequence([_macros(
        PixelMeasuresSequence={"PixelSpacing": [4.0, 2.0], "SliceThickness": 3},
        PlaneOrientationSequence={"ImageOrientationPatient": list(AXIAL)},
    )])  # fmt: skip
    header.PerFrameFunctionalGroupsSequence = Sequence([
        _macros(
            PlanePositionSequence={"ImagePositionPatient": [-10.0, -20.0, z]},
            PixelValueTransformationSequence={"RescaleSlope": slope, "RescaleIntercept": 0, "RescaleType": "BQML"},
            FrameContentSequence={
                "FrameAcquisitionDateTime": "20200102110000",
                "FrameReferenceDateTime": "20200102110100",
                "FrameAcquisitionDuration": 120000.0,
            },
        )
        for z, slope in zip(places_mm, slopes, strict=True)
    ])  # fmt: skip
    return save(changed(header, changes), folder, "enhanced")


def _macros(**groups) -> Dataset:
    item = Dataset()
    for name, values in groups.items():
        setattr(item, name, Sequence([changed(Dataset(), values)]))
    return item


def map_item(slope: float, unit: str = "{SUVbw}g/ml") -> Dataset:
    """A real-world-value map."""
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 0.0
    item.MeasurementUnitsCodeSequence = Sequence([code(unit, "a unit", "UCUM")])
    return item


def map_object(folder: Path, images: list[FileDataset], slope: float, unit: str = "{SUVbw}g/ml") -> Path:
    """An object of its own with a map for images."""
    header = file_of(RWV)
    group = Dataset()
    group.ReferencedImageSequence = Sequence([
        changed(Dataset(), {"ReferencedSOPClassUID": PET, "ReferencedSOPInstanceUID": image.SOPInstanceUID})
        for image in images
    ])  # fmt: skip
    group.RealWorldValueMappingSequence = Sequence([map_item(slope, unit)])
    header.ReferencedImageRealWorldValueMappingSequence = Sequence([group])
    return save(header, folder, "map")


def phantom_study(folder: Path, phantom) -> Path:
    """A phantom as the DICOM of a scanner: Bq/ml with a slope for each slice, HU in whole numbers."""
    grid = phantom.pet_suv.grid
    left = 2 ** (-3600 / 6586.2)
    bqml = np.maximum(phantom.pet_suv.array_zyx, 0) * (400e6 * left / 80e3)
    for k in range(grid.size_xyz[2]):
        geometry = {
            "PixelSpacing": [grid.spacing_mm[1], grid.spacing_mm[0]],
            "ImagePositionPatient": list(grid.world_mm((0, 0, k))),
        }
        slope = float(f"{max(bqml[k].max(), 1.0) / 32760:.8g}")
        pet = pet_header(RescaleSlope=slope, RescaleIntercept=0)
        save(place(pet, 0.0, np.rint(bqml[k] / slope), **geometry), folder / "S1", f"I{k}")
        hu = np.rint(phantom.ct_hu.array_zyx[k]) + 1024
        save(place(ct_header(), 0.0, hu, **geometry), folder / "S2", f"I{k}")
    return folder
