# SPDX-License-Identifier: Apache-2.0
"""Sizes of a body by which uptake is normalised, from weight, height and sex.

Sources: lean body mass by James (1976) with the coefficient 128 of the DICOM standard's LBMJAMES128, and by
Janmahasatian et al., Clin Pharmacokinet 2005; ideal body weight as the DICOM standard's IBW; body surface by Du Bois
and Du Bois, 1916.
"""

from __future__ import annotations

from petlesion.dicom.faults import DicomError, named


def surface_m2(weight_kg: float, height_cm: float) -> float:
    """Body surface in square metres, by Du Bois and Du Bois."""
    return float(0.007184 * weight_kg**0.425 * height_cm**0.725)


def lean_james_kg(weight_kg: float, height_cm: float, sex: str) -> float:
    """Lean body mass by James: 1.10 W - 128 (W / H)^2 for men, 1.07 W - 148 (W / H)^2 for women; H in cm."""
    slope, bend = (1.10, 128.0) if is_male(sex) else (1.07, 148.0)
    return slope * weight_kg - bend * (weight_kg / height_cm) ** 2


def lean_janmahasatian_kg(weight_kg: float, height_cm: float, sex: str) -> float:
    """Lean body mass by Janmahasatian: 9270 W / (6680 + 216 BMI) for men, 9270 W / (8780 + 244 BMI) for women."""
    bmi = weight_kg / (height_cm / 100) ** 2
    base, slope = (6680.0, 216.0) if is_male(sex) else (8780.0, 244.0)
    return 9270 * weight_kg / (base + slope * bmi)


def ideal_kg(height_cm: float, sex: str) -> float:
    """Ideal body weight: 48.0 + 1.06 (H - 152) for men, 45.5 + 0.91 (H - 152) for women; H in cm."""
    base, slope = (48.0, 1.06) if is_male(sex) else (45.5, 0.91)
    return base + slope * (height_cm - 152)


def is_male(sex: str) -> bool:
    """Whether the formulas for men hold.

    Raises:
        DicomError: When the sex is neither M nor F: the formulas know no other.
    """
    if sex not in {"M", "F"}:
        raise DicomError(
            f"{named('PatientSex')} must be M or F where the PET is stored by lean or ideal body weight; it is "
            "neither; export the PET in Bq/ml or as SUV by body weight"
        )
    return sex == "M"
