# SPDX-License-Identifier: Apache-2.0
"""A series: the planes that belong together, and whether they are a PET or a CT that can be segmented."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from petlesion.dicom.values import text_of, texts_of
from petlesion.images import printable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from petlesion.dicom.planes import Plane

Kind = Literal["PET", "CT"]
# SOP classes: classic, enhanced, legacy converted enhanced
PET_CLASSES = {"1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128.1"}
CT_CLASSES = {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
KINDS: dict[str, Kind] = dict.fromkeys(PET_CLASSES, "PET") | dict.fromkeys(CT_CLASSES, "CT")  # type: ignore[assignment]
FEWEST_SLICES = 3  # a scout is one picture or two
# Values of Image Type (0008,0008) that are no slices as the scanner reconstructed them, PS3.3 and the vendors' own
PICTURES = {
    "LOCALIZER": "a localizer",
    "SCOUT": "a localizer",
    "MIP": "a maximum-intensity projection",
    "PROJECTION IMAGE": "a projection",
    "MPR": "a reformatted view",
    "REFORMATTED": "a reformatted view",
    "CSA MPR": "a reformatted view",
    "VOLUME RENDERING": "a rendered view",
    "3D": "a rendered view",
    "SCREEN SAVE": "a screen copy",
    "FUSED": "a fused view",
    "FUSION": "a fused view",
}
UNCORRECTED = re.compile(r"\b(nac|noac|no[ _-]?ac|uncorrected|no atten\w*|non[ _-]?ac)\b", re.IGNORECASE)
FOR_ATTENUATION = re.compile(r"\b(ct ?ac|ac ?ct|ac|attn|att?enuation)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Planes of one series.

    Attributes:
        uid: Series Instance UID.
        kind: "PET" or "CT".
        description: Series Description, printable, for a sentence.
        frame_of_reference: Frame of Reference UID.
        study: Study Instance UID.
        patient: Patient ID; only ever compared.
        planes: Its slices, in no order; the pictures among them are left out.
        headers: The header of each file.
        unfit: Why it cannot be segmented, as the end of "it is ..."; empty where it can.
        copies: Files that hold an image already there.
    """

    uid: str
    kind: Kind
    description: str
    frame_of_reference: str
    study: str
    patient: str
    planes: tuple[Plane, ...]
    headers: tuple[Dataset, ...]
    unfit: str
    copies: int = 0

    def __str__(self) -> str:
        """For a sentence: kind, UID, description and number of slices."""
        count = f"{len(self.planes)} slice{'' if len(self.planes) == 1 else 's'}"
        return f"{self.kind} series {self.uid} ({self.description or 'no description'}, {count})"

    @property
    def is_original(self) -> bool:
        """Whether its pixels are as first reconstructed, not derived from other images."""
        return all(plane.image_type[:1] != ("DERIVED",) for plane in self.planes)

    @property
    def is_for_attenuation(self) -> bool:
        """Whether its description says that it is the CT of the attenuation correction."""
        return bool(FOR_ATTENUATION.search(self.description.replace("_", " ")))


def series_of(files: list[tuple[Dataset, tuple[Plane, ...]]]) -> Series:
    """The series of files that share one Series Instance UID and a kind."""
    first = files[0][0]
    seen: dict[tuple[str, int | None], tuple[Dataset, Plane]] = {}
    for header, planes in files:
        for plane in planes:
            seen.setdefault((plane.sop_uid, plane.frame), (header, plane))
    kept = [(header, plane) for header, plane in seen.values() if not picture_of(plane)]
    used = [plane for _, plane in kept] or [plane for _, plane in seen.values()]
    headers = {id(header): header for header, _ in (kept or list(seen.values()))}
    kind = KINDS[text_of(first, "SOPClassUID")]
    return Series(
        uid=text_of(first, "SeriesInstanceUID"),
        kind=kind,
        description=printable(text_of(first, "SeriesDescription"))[:64],
        frame_of_reference=text_of(first, "FrameOfReferenceUID"),
        study=text_of(first, "StudyInstanceUID"),
        patient=text_of(first, "PatientID"),
        planes=tuple(used),
        headers=tuple(headers.values()),
        unfit=unfit_of(first, used, kind),
        copies=sum(len(planes) for _, planes in files) - len(seen),
    )


def picture_of(plane: Plane) -> str:
    """What a plane is that is no slice of a body: "a localizer"; empty for a slice."""
    return next((words for mark, words in PICTURES.items() if mark in plane.image_type), "")


def unfit_of(header: Dataset, planes: list[Plane], kind: Kind) -> str:
    """Why a series cannot be segmented, as the end of "it is ..."; empty where it can."""
    if picture := picture_of(planes[0]):
        return picture
    if len(planes) < FEWEST_SLICES:
        return f"of {len(planes)} slice{'' if len(planes) == 1 else 's'} only"
    if planes[0].image_type[1:2] == ("SECONDARY",):
        return "a secondary capture or derived from other images (Image Type (0008,0008))"
    if text_of(header, "SamplesPerPixel") not in {"", "1"}:
        return "in colour"
    if any(plane.position_mm is None or plane.axes is None or plane.spacing_mm is None for plane in planes):
        return "without positions in the patient (Image Position (0020,0032))"
    return _pet_unfit(header) if kind == "PET" else ""


def _pet_unfit(header: Dataset) -> str:
    series_type = texts_of(header, "SeriesType")
    if "REPROJECTION" in series_type:
        return "a set of projections (Series Type (0054,1000))"
    for value in ("GATED", "DYNAMIC"):
        if value in series_type:
            return f"{value.lower()} (Series Type (0054,1000)), which is not segmented"
    return "" if is_attenuation_corrected(header) else "not corrected for attenuation"


def is_attenuation_corrected(header: Dataset) -> bool:
    """Whether a PET is corrected for attenuation; what says nothing of it is taken to be."""
    if (said := text_of(header, "AttenuationCorrected").upper()) in {"YES", "NO"}:
        return said == "YES"
    if corrections := texts_of(header, "CorrectedImage"):
        return "ATTN" in corrections
    method = text_of(header, "AttenuationCorrectionMethod").upper()
    if method:
        return method != "NONE"
    return not UNCORRECTED.search(text_of(header, "SeriesDescription").replace("_", " "))
