# SPDX-License-Identifier: Apache-2.0
"""The lesions' measurements as a DICOM structured report, template TID 1500."""

from __future__ import annotations

from typing import TYPE_CHECKING

from highdicom import UID
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceImageForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.sr.codedict import Code, codes

from petlesion import __version__
from petlesion.dicom_out.author import LESION, NAME, PET, Author, Tracked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from highdicom.seg import Segmentation

    from petlesion.dicom_out.series import SourceSeries
    from petlesion.lesions import Lesion

SERIES_NUMBER = 9002
CM3 = Code("cm3", "UCUM", "cubic centimeter")
GRAM = Code("g", "UCUM", "gram")  # of SUV in g/ml, times ml
SUV_UNIT = codes.UCUM.StandardizedUptakeValueBodyWeight
SUV = Code("126401", "DCM", "SUVbw")
VOXEL_SUM = Code("126030", "DCM", "Sum of segmented voxel volumes")


def measurement_report(
    series: SourceSeries, segments: Segmentation, lesions: Sequence[tuple[Lesion, Tracked]], author: Author
) -> Comprehensive3DSR:
    """Volume, SUVmax, SUVmean, SUVpeak and TLG of each lesion; a report without any where the mask is empty.

    Args:
        series: The PET series.
        segments: The segmentation in which the lesions are found. Where all of them are one segment, a lesion refers
            to that segment's frames on which it lies.
        lesions: Each lesion with its name.
        author: How the mask came about.
    """
    content = MeasurementReport(
        observation_context=_observer(),
        procedure_reported=PET,
        imaging_measurements=[_group(series, segments, *lesion, author=author) for lesion in lesions] or None,
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
    volume = Measurement(codes.SCT.Volume, lesion.volume_ml, CM3, method=VOXEL_SUM)
    return [volume, *suv, Measurement(codes.DCM.TotalLesionGlycolysis, lesion.tlg, GRAM)]


def _group(
    series: SourceSeries, segments: Segmentation, lesion: Lesion, name: Tracked, *, author: Author
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(name.uid, name.name),
        referenced_segment=_segment(series, segments, name),
        finding_type=CodedConcept.from_code(LESION),
        algorithm_id=author.for_measurements(),
        measurements=figures_of(lesion),
    )


def _segment(series: SourceSeries, segments: Segmentation, name: Tracked) -> ReferencedSegment:
    number = name.number if segments.number_of_segments > 1 else 1
    images = [SourceImageForSegmentation(one.SOPClassUID, one.SOPInstanceUID) for one in series.slices]
    return ReferencedSegment(segments.SOPClassUID, segments.SOPInstanceUID, number, source_images=images)


def _observer() -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=UID(), name=NAME, manufacturer_name=NAME, model_name=NAME, serial_number=__version__
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))
