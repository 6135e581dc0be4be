# SPDX-License-Identifier: Apache-2.0
"""Real-world-value maps: a scanner's or a tool's own word for what the pixels mean.

A map lies in the image, in a frame's functional groups, or in an object of its own that names the images it is for.
By the standard (PS3.3, C.7.6.16.2.11) it takes stored values. Objects of the SUV Factor Calculator of 3D Slicer hold
the factor from rescaled values, Bq/ml, to SUV instead; `SuvMap.factors` tells the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.dicom.values import items_of, number_of, text_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

STORAGE = "1.2.840.10008.5.1.4.1.1.67"
SUV_BW_CODES = {"{SUVbw}g/ml", "g/ml{SUVbw}", "{SUVbw}g/mL", "g/mL{SUVbw}"}  # UCUM, as the standard and as tools write
SUV_BW_MEANING = "standardized uptake value body weight"
BQML_CODES = {"Bq/ml", "Bq/mL"}


@dataclass(frozen=True, slots=True)
class RealWorldMap:
    """A linear map from pixels to real-world values.

    Attributes:
        units: "SUVbw", "BQML", or the code of another unit.
        slope: Real World Value Slope.
        intercept: Real World Value Intercept.
    """

    units: str
    slope: float
    intercept: float


def maps_of(header: Dataset) -> tuple[RealWorldMap, ...]:
    """The linear maps that a header or a frame's functional groups hold; tables are left out."""
    found = []
    for item in items_of(header, "RealWorldValueMappingSequence"):
        slope = number_of(item, "RealWorldValueSlope")
        if slope is not None:
            found.append(RealWorldMap(_units(item), slope, number_of(item, "RealWorldValueIntercept") or 0.0))
    return tuple(found)


def maps_by_image(header: Dataset) -> dict[str, tuple[RealWorldMap, ...]]:
    """The maps of an object of maps, for each SOP Instance UID of the images it names."""
    found: dict[str, tuple[RealWorldMap, ...]] = {}
    everywhere = [
        text_of(image, "ReferencedSOPInstanceUID")
        for series in items_of(header, "ReferencedSeriesSequence")
        for image in items_of(series, "ReferencedInstanceSequence")
    ]
    for group in items_of(header, "ReferencedImageRealWorldValueMappingSequence"):
        own = [text_of(image, "ReferencedSOPInstanceUID") for image in items_of(group, "ReferencedImageSequence")]
        for uid in own or everywhere:
            found[uid] = found.get(uid, ()) + maps_of(group)
    return found


def _units(item: Dataset) -> str:
    for code in items_of(item, "MeasurementUnitsCodeSequence"):
        value = text_of(code, "CodeValue")
        if value in SUV_BW_CODES or text_of(code, "CodeMeaning").lower() == SUV_BW_MEANING:
            return "SUVbw"
        return "BQML" if value in BQML_CODES else value
    return ""
