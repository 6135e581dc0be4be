# SPDX-License-Identifier: Apache-2.0
"""SUV by body weight: the factor of each slice, by which its rescaled values become SUV, and the rule behind it.

Source: the IBSI manual of SUV computation (Vácha et al., CC BY 4.0), after the QIBA FDG-PET/CT profile's
vendor-neutral pseudo-code: SUVbw = A W / D, with the activity concentration A in Bq/ml, the weight W in g, and the dose
D in Bq, all at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from petlesion.dicom.body import ideal_kg, lean_james_kg, lean_janmahasatian_kg, surface_m2
from petlesion.dicom.decay import average_s, half_life, left_after, start_reference, uptake_s
from petlesion.dicom.faults import DicomError, named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from petlesion.dicom.planes import PlaneTime
    from petlesion.dicom.suv_header import SuvHeader

# A dose of PET is 10 to 1000 MBq. A number up to the first of these is MBq, from the second on Bq; neither between.
MBQ_BELOW, BQ_ABOVE, BQ_BELOW = 1e4, 1e6, 1e11
WEIGHT_KG = (0.5, 500.0)
HEIGHT_M, HEIGHT_CM = (0.3, 2.6), (30.0, 260.0)

OPTIONS = {
    "weight_kg": "--weight-kg",
    "height_m": "--height-cm",
    "dose": "--dose-mbq",
    "half_life_s": "--half-life-s",
    "injected": "--injected-at",
    "decay_correction": "--decay-correction",
    "corrected_to": "--corrected-to",
}


@dataclass(frozen=True, slots=True)
class SuvScale:
    """How rescaled values become SUV by body weight.

    Attributes:
        factors: One for each slice, in the order of the slices.
        rule: The rule, in words.
        warnings: What is doubtful.
    """

    factors: tuple[float, ...]
    rule: str
    warnings: tuple[str, ...] = ()


def suv_scale(header: SuvHeader, times: Sequence[PlaneTime]) -> SuvScale:
    """The SUV factors of a PET's slices.

    Args:
        header: The series, with the user's words laid over it.
        times: When each slice was measured, in the order of the slices.

    Raises:
        DicomError: When the units are none that SUV is computed from, or something is missing; names the tag and the
            option that supplies it.
    """
    if header.units == "GML":
        scale = _from_grams(header, len(times))
    elif header.units == "CM2ML":
        scale = _from_surface(header, len(times))
    elif header.units == "CNTS":
        scale = _from_counts(header, times)
    elif header.units == "BQML":
        scale = _from_activity(header, times)
    else:
        raise DicomError(
            f"{named('Units')} of the PET must be BQML, CNTS, GML or CM2ML; it is {header.units[:16] or 'missing'!r}; "
            "export the PET in Bq/ml or as SUV by body weight"
        )
    given = ", ".join(option for name, option in OPTIONS.items() if name in header.by_hand)
    return SuvScale(scale.factors, f"{scale.rule} (by {given})" if given else scale.rule, scale.warnings)


def weight_kg(header: SuvHeader) -> float:
    """The patient's weight.

    Raises:
        DicomError: When it is missing, zero, or no weight of a person in kg.
    """
    low, high = WEIGHT_KG
    if header.weight_kg is None or header.weight_kg == 0:
        raise DicomError(f"SUV needs {named('PatientWeight')}; it is missing or zero; give --weight-kg")
    if not low <= header.weight_kg <= high:
        raise DicomError(f"{named('PatientWeight')} is in kg, {low:g} to {high:g}; it is not; give --weight-kg")
    return header.weight_kg


def height_cm(header: SuvHeader) -> tuple[float, tuple[str, ...]]:
    """The patient's height, and a warning where it stands in cm instead of m.

    Raises:
        DicomError: When it is missing, zero, or no height of a person.
    """
    height = header.height_m
    if height is None or height == 0:
        raise DicomError(
            f"this PET's unit ({header.units}) needs {named('PatientSize')}; it is missing or zero; give --height-cm"
        )
    if HEIGHT_M[0] <= height <= HEIGHT_M[1]:
        return 100 * height, ()
    if HEIGHT_CM[0] <= height <= HEIGHT_CM[1]:
        return height, (f"{named('PatientSize')} is in m by the standard, and here in cm: taken as cm",)
    raise DicomError(f"{named('PatientSize')} is in m, {HEIGHT_M[0]} to {HEIGHT_M[1]}; it is not; give --height-cm")


def dose_bq(header: SuvHeader) -> tuple[float, tuple[str, ...]]:
    """The injected activity, and a warning where it stands in MBq instead of Bq.

    Raises:
        DicomError: When it is missing, zero or negative, or neither Bq nor MBq.
    """
    dose = header.dose
    if dose is None or dose <= 0:
        raise DicomError(
            f"SUV needs {named('RadionuclideTotalDose')}; it is missing, zero or negative; give --dose-mbq"
        )
    if "dose" in header.by_hand or BQ_ABOVE <= dose <= BQ_BELOW:
        return dose, ()
    if dose <= MBQ_BELOW:
        text = f"{named('RadionuclideTotalDose')} is in Bq by the standard, and {dose:g} can only be MBq: taken as MBq"
        return dose * 1e6, (text,)
    raise DicomError(f"{named('RadionuclideTotalDose')} is in Bq; {dose:g} is neither Bq nor MBq; give --dose-mbq")


def _from_grams(header: SuvHeader, count: int) -> SuvScale:
    """GML: SUV already, by body weight, or by lean or ideal body weight, which the body weight puts right."""
    if header.suv_type in {"", "BW"}:
        return SuvScale((1.0,) * count, "GML: the values are SUV by body weight")
    weight = weight_kg(header)
    height, doubts = height_cm(header)
    if header.suv_type == "LBMJAMES128":
        other = lean_james_kg(weight, height, header.sex)
    elif header.suv_type == "LBMJANMA":
        other = lean_janmahasatian_kg(weight, height, header.sex)
    elif header.suv_type == "IBW":
        other = ideal_kg(height, header.sex)
    else:
        raise DicomError(
            f"{named('SUVType')} must be BW, LBMJAMES128, LBMJANMA or IBW where the unit is GML; it is "
            f"{header.suv_type[:16]!r}, which leaves the formula open; export the PET in Bq/ml"
        )
    rule = f"GML of the type {header.suv_type}, brought from that weight to the body's"
    return SuvScale((weight / other,) * count, rule, doubts)


def _from_surface(header: SuvHeader, count: int) -> SuvScale:
    """CM2ML: SUV by body surface in cm^2, which weight and surface put right."""
    weight = weight_kg(header)
    height, doubts = height_cm(header)
    factor = 1000 * weight / (1e4 * surface_m2(weight, height))
    return SuvScale((factor,) * count, "CM2ML: SUV by body surface (Du Bois), brought to body weight", doubts)


def _from_counts(header: SuvHeader, times: Sequence[PlaneTime]) -> SuvScale:
    """CNTS: by Philips' own factors."""
    if header.philips_suv:
        rule = "CNTS, by Philips' SUV scale factor (7053,1000)"
        return SuvScale((header.philips_suv,) * len(times), rule)
    if header.philips_bqml:
        scale = _from_activity(header, times)
        rule = f"CNTS, by Philips' activity concentration scale factor (7053,1009); then {scale.rule}"
        return SuvScale(tuple(header.philips_bqml * one for one in scale.factors), rule, scale.warnings)
    raise DicomError(
        f"{named('Units')} of the PET is CNTS; SUV then needs Philips' private scale factor (7053,1000) or "
        "(7053,1009), and both are missing; export the PET with its private elements, or in Bq/ml"
    )


def _from_activity(header: SuvHeader, times: Sequence[PlaneTime]) -> SuvScale:
    """BQML: weight over what is left of the dose at the moment that the values are of."""
    weight = weight_kg(header)
    dose, doubts = dose_bq(header)
    grams_per_bq = 1000 * weight / dose
    if header.decay_correction == "ADMIN":
        return SuvScale((grams_per_bq,) * len(times), "Bq/ml, decay-corrected to the injection (ADMIN)", doubts)
    life, life_doubts = half_life(header)
    if header.decay_correction == "START":
        start = start_reference(header, times, life)
        seconds, time_doubts = uptake_s(header, start.moment, life)
        rule = f"Bq/ml, decay-corrected to the scan's start (START: {start.rule})"
        rule += f", {seconds / 60:.1f} min after the injection"
        factor = grams_per_bq / left_after(seconds, life)
        warnings = doubts + life_doubts + start.warnings + time_doubts
        return SuvScale((factor,) * len(times), rule, warnings)
    if header.decay_correction == "NONE":
        found = [uptake_s(header, _own_moment(one, life), life) for one in times]
        factors = tuple(grams_per_bq / left_after(seconds, life) for seconds, _ in found)
        texts = tuple(dict.fromkeys(text for _, warnings in found for text in warnings))[:1]
        return SuvScale(
            factors, "Bq/ml, not decay-corrected (NONE): each slice at its own time", doubts + life_doubts + texts
        )
    raise DicomError(
        f"{named('DecayCorrection')} must be START, ADMIN or NONE; it is "
        f"{header.decay_correction[:16] or 'missing'!r}; give --decay-correction"
    )


def _own_moment(time: PlaneTime, half_life_s: float) -> datetime:
    """The moment of a slice that is not corrected for decay: that of its average count rate."""
    if time.reference is not None:
        return time.reference
    if time.acquired is None or not time.duration_s:
        keyword = "AcquisitionTime" if time.acquired is None else "ActualFrameDuration"
        raise DicomError(
            f"a PET without decay correction needs {named(keyword)} of each slice; it is missing; export the PET "
            "corrected for decay"
        )
    return time.acquired + timedelta(seconds=average_s(time.duration_s, half_life_s))
