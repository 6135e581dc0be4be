# SPDX-License-Identifier: Apache-2.0
"""What is refused about DICOM objects, and how tags are named in a sentence."""

from __future__ import annotations

from pydicom.datadict import dictionary_description, tag_for_keyword

from petlesion.case import CaseError


class DicomError(CaseError):
    """DICOM objects that cannot be used as they are. Its text states rule, offence and remedy."""


def named(keyword: str) -> str:
    """A tag's name and number for a sentence: "Patient's Weight (0010,1030)".

    Raises:
        ValueError: When DICOM's dictionary has no such keyword.
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword!r} is no keyword of DICOM's dictionary")
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
