# SPDX-License-Identifier: Apache-2.0
"""A series without what names its patient, so that objects made from it name nobody either."""

from __future__ import annotations

from pydicom import Dataset

from petlesion.dicom_out.series import SourceSeries

# What is left of a slice: all that objects need of it. An attribute that is not named here goes, whatever it holds, for
# words turn up in unlikely places. UIDs and dates stay: without them the objects would belong to no series.
KEPT = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "InstanceNumber", "SeriesNumber"),
    *("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "StudyDate", "SeriesDate", "ContentDate"),
    *("StudyTime", "SeriesTime", "ContentTime", "PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "NumberOfFrames"),
)
# What the standard wants to be there, if empty (type 2).
EMPTIED = ("PatientName", "PatientID", "PatientBirthDate", "StudyID", "AccessionNumber", "ReferringPhysicianName")
METHOD = "Names, birth date and identifiers removed; UIDs and dates kept"


def without_identity(series: SourceSeries) -> SourceSeries:
    """The series' slices without name, birth date and identifiers of the patient, as copies."""
    return SourceSeries(tuple(_anonymous(one) for one in series.slices))


def mark_anonymous(made: Dataset) -> None:
    """Say in an object made from such slices that the patient's identity was removed."""
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = METHOD


def _anonymous(one: Dataset) -> Dataset:
    made = Dataset()
    for keyword in KEPT:
        if keyword in one:
            made.add(one[keyword])
    for keyword in (*EMPTIED, "PositionReferenceIndicator"):
        setattr(made, keyword, "")
    made.file_meta = one.file_meta
    return made
