# SPDX-License-Identifier: Apache-2.0
"""What SUV by body weight needs of a PET's header, as a value; and the user's word laid over it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from petlesion.dicom.headers import (
    GE_CREATORS,
    GE_GROUP,
    GE_SCAN_DATETIME,
    PHILIPS_BQML,
    PHILIPS_CREATORS,
    PHILIPS_GROUP,
    PHILIPS_SUV,
)
from petlesion.dicom.moments import join, parse_datetime, parse_time
from petlesion.dicom.nuclides import nuclide_of
from petlesion.dicom.planes import day_of
from petlesion.dicom.values import as_number, items_of, number_of, private_of, text_of

if TYPE_CHECKING:
    from datetime import datetime, time

    from pydicom.dataset import Dataset

    from petlesion.dicom.wishes import DicomWishes

KNOWN_UNITS = {"BQML", "CNTS", "GML", "CM2ML"}


@dataclass(frozen=True, slots=True)
class SuvHeader:
    """A PET series as far as SUV goes. What the header lacks is None or empty.

    Attributes:
        units: Units (0054,1001): BQML, CNTS, GML, CM2ML or another.
        suv_type: SUV Type (0054,1006).
        decay_correction: START, ADMIN or NONE.
        weight_kg: Patient's Weight (0010,1030).
        height_m: Patient's Size (0010,1020).
        sex: Patient's Sex (0010,0040).
        dose: Radionuclide Total Dose (0018,1074) as it stands: Bq, or MBq by mistake.
        half_life_s: Radionuclide Half Life (0018,1075).
        nuclide: The radionuclide's name where it is one of the table, such as "F-18".
        injected: Start of the injection: date and time, or the time alone.
        injected_time: The time of Radiopharmaceutical Start Time (0018,1072), beside a date-time.
        series: Series Date and Time.
        ge_scan: GE's private scan date and time (0009,100D).
        is_ge: Whether GE made the scanner.
        philips_suv: Philips' private SUV scale factor (7053,1000).
        philips_bqml: Philips' private activity concentration scale factor (7053,1009).
        corrected_to: Decay Correction DateTime (0018,9701), or the user's word on it.
        by_hand: Options of the user that stand in for the header.
    """

    units: str = ""
    suv_type: str = ""
    decay_correction: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    sex: str = ""
    dose: float | None = None
    half_life_s: float | None = None
    nuclide: str = ""
    injected: datetime | time | None = None
    injected_time: time | None = None
    series: datetime | None = None
    ge_scan: datetime | None = None
    is_ge: bool = False
    philips_suv: float | None = None
    philips_bqml: float | None = None
    corrected_to: datetime | time | None = None
    by_hand: tuple[str, ...] = ()


def suv_header_of(header: Dataset) -> SuvHeader:
    """The SUV header of one file's header."""
    drug = next(iter(items_of(header, "RadiopharmaceuticalInformationSequence")), None)
    nuclide = _nuclide(drug)
    zone = text_of(header, "TimezoneOffsetFromUTC")
    ge_text = private_of(header, GE_GROUP, GE_CREATORS, GE_SCAN_DATETIME)
    return SuvHeader(
        units=_units(header),
        suv_type=text_of(header, "SUVType").upper(),
        decay_correction=_decay_correction(header),
        weight_kg=number_of(header, "PatientWeight"),
        height_m=number_of(header, "PatientSize"),
        sex=text_of(header, "PatientSex").upper(),
        dose=number_of(drug, "RadionuclideTotalDose") if drug else None,
        half_life_s=number_of(drug, "RadionuclideHalfLife") if drug else None,
        nuclide=nuclide,
        injected=_injected(drug, zone) if drug else None,
        injected_time=parse_time(text_of(drug, "RadiopharmaceuticalStartTime")) if drug else None,
        series=join(day_of(header, "SeriesDate"), parse_time(text_of(header, "SeriesTime"))),
        ge_scan=parse_datetime(ge_text, zone),
        is_ge=text_of(header, "Manufacturer").upper().startswith("GE"),
        philips_suv=as_number(private_of(header, PHILIPS_GROUP, PHILIPS_CREATORS, PHILIPS_SUV)),
        philips_bqml=as_number(private_of(header, PHILIPS_GROUP, PHILIPS_CREATORS, PHILIPS_BQML)),
        corrected_to=parse_datetime(text_of(header, "DecayCorrectionDateTime"), zone),
    )


def with_wishes(header: SuvHeader, wishes: DicomWishes) -> SuvHeader:
    """The header with what the user says in its place."""
    words = {
        "weight_kg": wishes.weight_kg,
        "height_m": None if wishes.height_cm is None else wishes.height_cm / 100,
        "dose": None if wishes.dose_mbq is None else wishes.dose_mbq * 1e6,
        "half_life_s": wishes.half_life_s,
        "injected": wishes.injected_at,
        "decay_correction": wishes.decay_correction,
        "corrected_to": wishes.corrected_to,
    }
    given = {name: word for name, word in words.items() if word is not None}
    return replace(header, **given, by_hand=tuple(given))  # type: ignore[arg-type]


def _units(header: Dataset) -> str:
    """Units; in multi-frame objects the rescaled values' type says them."""
    rescaled = text_of(header, "RescaleType").upper()
    return text_of(header, "Units").upper() or (rescaled if rescaled in KNOWN_UNITS else "")


def _decay_correction(header: Dataset) -> str:
    """START, ADMIN or NONE; multi-frame objects say YES, with the moment beside, or NO."""
    corrected = text_of(header, "DecayCorrected").upper()
    said = {"YES": "START", "NO": "NONE"}.get(corrected, "")
    return text_of(header, "DecayCorrection").upper() or said


def _injected(drug: Dataset, zone: str) -> datetime | time | None:
    """The date-time where there is one, else the time alone."""
    whole = parse_datetime(text_of(drug, "RadiopharmaceuticalStartDateTime"), zone)
    return whole or parse_time(text_of(drug, "RadiopharmaceuticalStartTime"))


def _nuclide(drug: Dataset | None) -> str:
    for code in items_of(drug, "RadionuclideCodeSequence") if drug else ():
        if nuclide := nuclide_of(text_of(code, "CodeValue"), text_of(code, "CodeMeaning")):
            return nuclide.name
    return ""
