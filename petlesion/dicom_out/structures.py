# SPDX-License-Identifier: Apache-2.0
"""The lesions as an RT structure set: the edges of their pixels, slice by slice."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from highdicom import UID
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from petlesion import __version__
from petlesion.dicom_out.author import NAME, Author, Tracked
from petlesion.dicom_out.rings import rings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from petlesion.dicom_out.series import SourceSeries

SERIES_NUMBER = 9003
RED = [214, 39, 40]
COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # the retired class that the module still asks to be named


def structure_set(
    series: SourceSeries, numbers: NDArray[np.uint16], lesions: Sequence[Tracked], author: Author
) -> Dataset:
    """A structure set with a region for each lesion; where the mask is empty, one region without contours.

    Args:
        series: The PET series.
        numbers: Each lesion's number in its pixels, 0 elsewhere, (slices, rows, columns).
        lesions: The lesions' names.
        author: How the mask came about.
    """
    made = _head(series)
    made.ReferencedFrameOfReferenceSequence = [_frame_of_reference(series)]
    names = {one.number: one.name for one in lesions} or {1: "No lesion"}  # the standard wants a region at least
    made.StructureSetROISequence = [_region(series, number, name, author) for number, name in names.items()]
    made.ROIContourSequence = [_contours(series, numbers, number) for number in names]
    made.RTROIObservationsSequence = [_observation(number) for number in names]
    return made


def _head(series: SourceSeries) -> Dataset:
    now = datetime.now().astimezone()
    made = _with({keyword: series.slices[0].get(keyword, "") for keyword in COPIED})
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, UID()
    made.Modality, made.SeriesInstanceUID, made.SeriesNumber = "RTSTRUCT", UID(), SERIES_NUMBER
    made.SeriesDescription = "Lesion contours (petlesion, research use only)"
    made.OperatorsName = ""
    made.Manufacturer = made.ManufacturerModelName = NAME
    made.SoftwareVersions = made.DeviceSerialNumber = __version__
    made.InstanceNumber, made.StructureSetLabel = 1, "LESIONS"
    made.StructureSetDate, made.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.FrameOfReferenceUID = series.slices[0].FrameOfReferenceUID
    made.PositionReferenceIndicator = ""
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _frame_of_reference(series: SourceSeries) -> Dataset:
    """The series and all its slices, as the structure set refers to them."""
    first = series.slices[0]
    of_series = _with({"SeriesInstanceUID": first.SeriesInstanceUID})
    of_series.ContourImageSequence = [_image(one) for one in series.slices]
    study = _with({"ReferencedSOPClassUID": STUDY_CLASS, "ReferencedSOPInstanceUID": first.StudyInstanceUID})
    study.RTReferencedSeriesSequence = [of_series]
    return _with({"FrameOfReferenceUID": first.FrameOfReferenceUID, "RTReferencedStudySequence": [study]})


def _region(series: SourceSeries, number: int, name: str, author: Author) -> Dataset:
    return _with(
        {
            "ROINumber": number,
            "ReferencedFrameOfReferenceUID": series.slices[0].FrameOfReferenceUID,
            "ROIName": name,
            "ROIGenerationAlgorithm": author.algorithm_type,
        }
    )


def _observation(number: int) -> Dataset:
    return _with(
        {
            "ObservationNumber": number,
            "ReferencedROINumber": number,
            "RTROIInterpretedType": "",
            "ROIInterpreter": "",
        }
    )


def _contours(series: SourceSeries, numbers: NDArray[np.uint16], number: int) -> Dataset:
    found = [
        _contour(one, ring)
        for one, plane in zip(series.slices, numbers, strict=True)
        for ring in _rings_of(plane, number)
    ]
    contours = {"ContourSequence": found} if found else {}
    return _with({"ROIDisplayColor": RED, "ReferencedROINumber": number, **contours})


def _rings_of(plane: NDArray[np.uint16], number: int) -> Iterator[NDArray[np.float64]]:
    inside = plane == number
    return rings(inside) if inside.any() else iter(())


def _contour(one: Dataset, ring: NDArray[np.float64]) -> Dataset:
    across, down = np.reshape(np.array(one.ImageOrientationPatient, float), (2, 3))
    row_mm, column_mm = map(float, one.PixelSpacing)
    first = np.array(one.ImagePositionPatient, float)
    points_mm = first + ring[:, :1] * row_mm * down + ring[:, 1:] * column_mm * across
    return _with(
        {
            "ContourImageSequence": [_image(one)],
            "ContourGeometricType": "CLOSED_PLANAR",
            "NumberOfContourPoints": len(ring),
            "ContourData": [f"{part:.4f}" for part in points_mm.ravel()],
        }
    )


def _image(one: Dataset) -> Dataset:
    return _with({"ReferencedSOPClassUID": one.SOPClassUID, "ReferencedSOPInstanceUID": one.SOPInstanceUID})


def _with(attributes: dict[str, object]) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made
