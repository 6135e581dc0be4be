# SPDX-License-Identifier: Apache-2.0
"""One file's header: is it DICOM, and what does it say; pixels are not read.

Only the elements listed here are decoded. The patient's name and birth date are not among them.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword

from petlesion.dicom.sniff import PREAMBLE, looks_like_dicom
from petlesion.dicom.values import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset

KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "TimezoneOffsetFromUTC",
    "StudyDate",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "ReferencedSeriesSequence",
    "PatientID",
    "PatientSex",
    "PatientSize",
    "PatientWeight",
    "FrameReferenceTime",
    "ActualFrameDuration",
    "AttenuationCorrectionMethod",
    "DecayCorrection",
    "CorrectedImage",
    "Units",
    "SUVType",
    "DecayFactor",
    "SeriesType",
    "RadiopharmaceuticalInformationSequence",
    "AttenuationCorrected",
    "DecayCorrected",
    "DecayCorrectionDateTime",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "PixelPaddingValue",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "RealWorldValueMappingSequence",
    "ReferencedImageRealWorldValueMappingSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
GE_GROUP, GE_CREATORS, GE_SCAN_DATETIME = 0x0009, ("GEMS_PETD_01",), 0x0D
PHILIPS_GROUP, PHILIPS_CREATORS = 0x7053, ("Philips PET Private Group",)
PHILIPS_SUV, PHILIPS_BQML = 0x00, 0x09
PRIVATE = ((GE_GROUP, (GE_SCAN_DATETIME,)), (PHILIPS_GROUP, (PHILIPS_SUV, PHILIPS_BQML)))
LOGGERS = ("pydicom", "openjpeg")
BLOCKS = range(0x10, 0x18)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """While inside, pydicom warns and logs nothing: it quotes values of headers, which may be a patient's.

    Headers are decoded when they are asked, so all that asks one runs inside. To be entered by the thread that starts
    others, since Python's filters of warnings are one for all threads.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def wanted_tags() -> list[int]:
    """The tags that are decoded: those of KEYWORDS, and the private ones with their creators."""
    tags = [tag for keyword in KEYWORDS if (tag := tag_for_keyword(keyword)) is not None]
    for group, elements in PRIVATE:
        for block in BLOCKS:
            tags += [(group << 16) + block, *((group << 16) + (block << 8) + element for element in elements)]
    return tags


def read_header(path: Path, tags: list[int] | None = None) -> Dataset | None:
    """The header of a DICOM file up to its pixels; None where the file is none, or cannot be read.

    Args:
        path: Any file.
        tags: `wanted_tags()`, for many files.
    """
    try:
        with path.open("rb") as stream:
            has_prefix = looks_like_dicom(stream.read(PREAMBLE + 4))
        if has_prefix is None:
            return None
        header = dcmread(path, stop_before_pixels=True, specific_tags=tags or wanted_tags(), force=not has_prefix)
    except UNREADABLE:
        return None
    return header if "SOPClassUID" in header else None
