# SPDX-License-Identifier: Apache-2.0
"""What a user says about the reading of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.dicom.wishes import DicomWishes

if TYPE_CHECKING:
    from petlesion.clicks import PointsUnit


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How lenient the reading of a case is.

    Attributes:
        strict: Refuse a broken file of clicks instead of going on without clicks.
        assume_suv: Take the PET as SUV although its values do not look so.
        points_unit: Unit of the clicks' positions.
        dicom: What the user says about DICOM images.
    """

    strict: bool = False
    assume_suv: bool = False
    points_unit: PointsUnit = "voxels"
    dicom: DicomWishes = DicomWishes()  # noqa: RUF009 - a frozen value


AS_USUAL = ReadOptions()
"""What holds where a user says nothing."""
