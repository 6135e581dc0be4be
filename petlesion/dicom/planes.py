# SPDX-License-Identifier: Apache-2.0
"""Planes: the slices of a header, one for a classic object, one for each frame of a multi-frame one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from petlesion.dicom.moments import join, parse_date, parse_datetime, parse_time
from petlesion.dicom.real_world import RealWorldMap, maps_of
from petlesion.dicom.values import items_of, number_of, numbers_of, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from petlesion.volume import Triple


GROUPS = {Tag("SharedFunctionalGroupsSequence"), Tag("PerFrameFunctionalGroupsSequence")}
NO_DAY = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class PlaneTime:
    """When a plane was measured.

    Attributes:
        acquired: Start of its acquisition.
        reference_s: Frame Reference Time, seconds after the series' reference, as the vendor understands it.
        reference: Frame Reference DateTime of a multi-frame object: the moment its values are of.
        duration_s: Length of its acquisition.
    """

    acquired: datetime | None = None
    reference_s: float | None = None
    reference: datetime | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice.

    Attributes:
        path: Its file.
        frame: Its number in a multi-frame file, from 0; None in a classic one.
        sop_uid: SOP Instance UID of the file.
        image_type: Image Type (0008,0008), in capitals.
        shape: (rows, columns).
        position_mm: Centre of its first voxel, LPS; None where the header does not say.
        axes: Unit vectors along a row and along a column, six numbers; None where the header does not say.
        spacing_mm: Distance of (rows, columns); None where the header does not say.
        slope: Rescale Slope; 1 where there is none.
        intercept: Rescale Intercept; 0 where there is none.
        time: When it was measured.
        real_world: Its real-world-value maps.
    """

    path: Path
    frame: int | None
    sop_uid: str
    image_type: tuple[str, ...]
    shape: tuple[int, int]
    position_mm: Triple | None
    axes: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    slope: float
    intercept: float
    time: PlaneTime
    real_world: tuple[RealWorldMap, ...] = ()


def planes_of(header: Dataset, path: Path) -> tuple[Plane, ...]:
    """The planes of a file's header, in the order of its frames."""
    frames = items_of(header, "PerFrameFunctionalGroupsSequence")
    shared = items_of(header, "SharedFunctionalGroupsSequence")[:1]
    if not frames:
        return (_plane(header, path, None),)
    return tuple(_plane(flatten(header, (*shared, groups)), path, number) for number, groups in enumerate(frames))


def first_frame(header: Dataset) -> Dataset:
    """A file's header with what its first frame says laid over it; a classic header as it is."""
    frames = items_of(header, "PerFrameFunctionalGroupsSequence")[:1]
    shared = items_of(header, "SharedFunctionalGroupsSequence")[:1]
    return flatten(header, (*shared, *frames)) if frames else header


def flatten(header: Dataset, groups: tuple[Dataset, ...]) -> Dataset:
    """The header with the elements of a frame's functional groups laid over its own; later groups win."""
    flat = Dataset()
    flat.update({tag: header.get_item(tag) for tag in header.keys() if tag not in GROUPS})  # noqa: SIM118 - tags
    for group in groups:
        for macro in _macros(group):
            flat.update(macro)
    return flat


def _macros(groups: Dataset) -> Iterator[Dataset]:
    """The one item of each functional group; the maps, of which there may be many, stay a sequence."""
    for element in groups:
        if element.keyword == "RealWorldValueMappingSequence":
            whole = Dataset()
            whole.add(element)
            yield whole
        elif element.VR == "SQ" and len(element.value):
            yield element.value[0]


def _plane(header: Dataset, path: Path, frame: int | None) -> Plane:
    position = numbers_of(header, "ImagePositionPatient", 3)
    slope, intercept = number_of(header, "RescaleSlope"), number_of(header, "RescaleIntercept")
    return Plane(
        path=path,
        frame=frame,
        sop_uid=text_of(header, "SOPInstanceUID"),
        image_type=texts_of(header, "FrameType") or texts_of(header, "ImageType"),
        shape=(int(number_of(header, "Rows") or 0), int(number_of(header, "Columns") or 0)),
        position_mm=(position[0], position[1], position[2]) if position else None,
        axes=numbers_of(header, "ImageOrientationPatient", 6),
        spacing_mm=numbers_of(header, "PixelSpacing", 2),
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        time=_time(header),
        real_world=maps_of(header),
    )


def _time(header: Dataset) -> PlaneTime:
    zone = text_of(header, "TimezoneOffsetFromUTC")

    def moment(keyword: str) -> datetime | None:
        return parse_datetime(text_of(header, keyword), zone)

    joined = join(day_of(header, "AcquisitionDate"), parse_time(text_of(header, "AcquisitionTime")))
    reference, lasted = number_of(header, "FrameReferenceTime"), number_of(header, "FrameAcquisitionDuration")
    lasted = number_of(header, "ActualFrameDuration") if lasted is None else lasted
    return PlaneTime(
        acquired=moment("FrameAcquisitionDateTime") or joined or moment("AcquisitionDateTime"),
        reference_s=None if reference is None else reference / 1000,
        reference=moment("FrameReferenceDateTime"),
        duration_s=None if lasted is None else lasted / 1000,
    )


def day_of(header: Dataset, keyword: str) -> date:
    """A day, else that of the series or the study; the same made-up one everywhere where de-identification took all."""
    days = (parse_date(text_of(header, one)) for one in (keyword, "SeriesDate", "StudyDate"))
    return next((day for day in days if day), NO_DAY)
