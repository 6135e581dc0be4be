# SPDX-License-Identifier: Apache-2.0
"""The lesions' measurements as a DICOM structured report, template TID 1500."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from highdicom import UID
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceImageForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from petlesion import __version__
from petlesion.dicom_out.author import LESION, NAME, PET, Author, Tracked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from highdicom.seg import Segmentation
    from pydicom import Dataset

    from petlesion.dicom_out.series import SourceSeries
    from petlesion.lesions import Lesion

SERIES_NUMBER = 9002
CM3 = codes.UCUM.CubicCentimeter
GRAM = Code("g", "UCUM", "gram")  # of SUV in g/ml, times ml
SUV_UNIT = codes.UCUM.StandardizedUptakeValueBodyWeight
SUV = codes.DCM.Suvbw
VOXEL_SUM = codes.DCM.SumOfSegmentedVoxelMethodForVolume


@dataclass(frozen=True, slots=True)
class Measured:
    """A lesion with its name and the slices of the series on which it lies."""

    lesion: Lesion
    name: Tracked
    slices: tuple[Dataset, ...]


def measurement_report(
    series: SourceSeries, segments: Segmentation, lesions: Sequence[Measured], author: Author
) -> Comprehensive3DSR:
    """Volume, SUVmax, SUVmean, SUVpeak and TLG of each lesion; where the mask is empty, volume and TLG of 0 in all.

    Args:
        series: The PET series.
        segments: The segmentation in which the lesions are found. Where all of them are one segment, each refers to
            that one, and its slices say where.
        lesions: What was measured.
        author: How the mask came about.
    """
    content = MeasurementReport(
        observation_context=_observer(),
        procedure_reported=PET,
        imaging_measurements=[_group(segments, one, author) for one in lesions] or [_no_lesion(author)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return Comprehensive3DSR(
        evidence=[segments, *series.slices],
        content=content,
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=NAME,
        is_complete=True,
        series_description="Lesion measurements (petlesion, research use only)",
    )


def figures_of(lesion: Lesion) -> list[Measurement]:
    """A lesion's measurements under their codes."""
    suv = [
        Measurement(SUV, lesion.suv_max, SUV_UNIT, derivation=codes.SCT.Maximum),
        Measurement(SUV, lesion.suv_mean, SUV_UNIT, derivation=codes.SCT.Mean),
        Measurement(SUV, lesion.suv_peak, SUV_UNIT, derivation=codes.DCM.PeakValueWithinROI),
    ]
    return [_volume(lesion.volume_ml), *suv, _tlg(lesion.tlg)]


def _group(segments: Segmentation, one: Measured, author: Author) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(one.name.uid, one.name.name),
        referenced_segment=_segment(segments, one),
        finding_type=CodedConcept.from_code(LESION),
        algorithm_id=author.for_measurements(),
        measurements=figures_of(one.lesion),
    )


def _no_lesion(author: Author) -> MeasurementsAndQualitativeEvaluations:
    """What the template wants at least one of."""
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(), "No lesion"),
        finding_type=CodedConcept.from_code(LESION),
        algorithm_id=author.for_measurements(),
        measurements=[_volume(0.0), _tlg(0.0)],
    )


def _volume(volume_ml: float) -> Measurement:
    return Measurement(codes.SCT.Volume, volume_ml, CM3, method=VOXEL_SUM)


def _tlg(tlg: float) -> Measurement:
    return Measurement(codes.DCM.TotalLesionGlycolysis, tlg, GRAM)


def _segment(segments: Segmentation, one: Measured) -> ReferencedSegment:
    number = one.name.number if segments.number_of_segments > 1 else 1
    images = [SourceImageForSegmentation(image.SOPClassUID, image.SOPInstanceUID) for image in one.slices]
    return ReferencedSegment(segments.SOPClassUID, segments.SOPInstanceUID, number, source_images=images)


def _observer() -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=UID(), name=NAME, manufacturer_name=NAME, model_name=NAME, serial_number=__version__
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))
