# SPDX-License-Identifier: Apache-2.0
"""What a user says about a DICOM study: which series to take, and what its headers lack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime, time

DecayCorrection = Literal["START", "ADMIN", "NONE"]
DECAY_CORRECTIONS: tuple[DecayCorrection, ...] = ("START", "ADMIN", "NONE")


@dataclass(frozen=True, slots=True)
class DicomWishes:
    """The user's words; each overrules the header, None leaves it as it is.

    Attributes:
        pet_series: Series Instance UID of the PET.
        ct_series: Series Instance UID of the CT.
        weight_kg: The patient's weight.
        height_cm: The patient's height.
        dose_mbq: Activity injected, at `injected_at`.
        half_life_s: Half-life of the radionuclide.
        injected_at: When it was injected: date and time, or the time alone.
        decay_correction: To which moment the pixels are corrected for decay.
        corrected_to: That moment, where the correction is to the scan's start.

    Raises:
        ValueError: When a number is not positive and finite.
    """

    pet_series: str | None = None
    ct_series: str | None = None
    weight_kg: float | None = None
    height_cm: float | None = None
    dose_mbq: float | None = None
    half_life_s: float | None = None
    injected_at: datetime | time | None = None
    decay_correction: DecayCorrection | None = None
    corrected_to: datetime | time | None = None

    def __post_init__(self) -> None:
        for name in ("weight_kg", "height_cm", "dose_mbq", "half_life_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"--{name.replace('_', '-')} is a positive number; got {value}")
