# SPDX-License-Identifier: Apache-2.0
"""Decay: how much of the injected activity was left at the moment to which the pixels are corrected.

Source: the QIBA FDG-PET/CT profile's vendor-neutral pseudo-code for SUV, and the IBSI manual of SUV computation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low
from typing import TYPE_CHECKING

from petlesion.dicom.faults import DicomError, named
from petlesion.dicom.moments import last_before
from petlesion.dicom.nuclides import NUCLIDES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petlesion.dicom.planes import PlaneTime
    from petlesion.dicom.suv_header import SuvHeader

MOST_HALF_LIVES = 10  # after which a thousandth is left: no scan begins then, so a date or a time is wrong
OTHER_HALF_LIFE = 0.01  # a header's half-life further from the table's than this share is worth a warning
SAME_TIME = timedelta(seconds=1)  # clocks of one scan are rounded apart; a second is 1e-4 of F-18's decay
SPREAD_S = 60.0  # bed positions of one series whose computed starts lie further apart are worth a warning


@dataclass(frozen=True, slots=True)
class Reference:
    """The moment to which pixels are corrected, how it was found, and what is doubtful about it."""

    moment: datetime
    rule: str
    warnings: tuple[str, ...] = ()


def half_life(header: SuvHeader) -> tuple[float, tuple[str, ...]]:
    """Half-life in seconds, from the header or by the radionuclide's code, and warnings.

    Raises:
        DicomError: When neither says it.
    """
    known = {nuclide.name: nuclide.half_life_s for nuclide in NUCLIDES}.get(header.nuclide)
    if header.half_life_s and header.half_life_s > 0:
        if known and abs(header.half_life_s / known - 1) > OTHER_HALF_LIFE:
            found = f"the header's half-life is {header.half_life_s:g} s, that of {header.nuclide} {known:g} s"
            return header.half_life_s, (f"{found}: the header's is taken",)
        return header.half_life_s, ()
    if known:
        text = f"{named('RadionuclideHalfLife')} is missing: that of {header.nuclide}, {known:g} s, is taken"
        return known, (text,)
    raise DicomError(f"SUV needs {named('RadionuclideHalfLife')}; it is missing; give --half-life-s (F-18: 6586.2)")


def start_reference(header: SuvHeader, times: Sequence[PlaneTime], half_life_s: float) -> Reference:
    """The moment of pixels that are decay-corrected to the scan's start (START).

    Raises:
        DicomError: When the header does not tell it.
    """
    acquired = [one.acquired for one in times if one.acquired is not None]
    first = min(acquired, default=None)
    if header.corrected_to is not None:
        return _told(header, header.series or first)
    if header.series is not None and (first is None or header.series <= first + SAME_TIME):
        return Reference(header.series, "Series Date and Time")
    if header.ge_scan is not None:
        return Reference(header.ge_scan, "GE's private scan date and time (0009,100D)")
    if first is None:
        raise DicomError(
            f"SUV needs the moment of the scan's start; {named('SeriesTime')} and {named('AcquisitionTime')} are "
            "missing; give --corrected-to"
        )
    return _back_computed(header, times, half_life_s)


def _told(header: SuvHeader, near: datetime | None) -> Reference:
    """The moment that the header of a multi-frame object, or the user, states."""
    told = header.corrected_to
    rule = "--corrected-to" if "corrected_to" in header.by_hand else named("DecayCorrectionDateTime")
    if isinstance(told, datetime):
        return Reference(told, rule)
    if told is None or near is None:
        raise DicomError("the header has no date: give --corrected-to with date and time")
    same_day = datetime.combine(near.date(), told)  # the nearest moment with that time
    shifted = [same_day + timedelta(days=n) for n in (-1, 0, 1)]
    return Reference(min(shifted, key=lambda one: abs(one - near)), rule)


def _back_computed(header: SuvHeader, times: Sequence[PlaneTime], half_life_s: float) -> Reference:
    """The start from each bed's own times, where the series' time was set after the scan.

    GE counts Frame Reference Time to the beginning of the bed's acquisition, the others to the moment of its average
    count rate.
    """
    starts: list[datetime] = []
    for one in times:
        if one.acquired is None or one.reference_s is None or not (header.is_ge or one.duration_s):
            continue
        within_s = 0.0 if header.is_ge or not one.duration_s else average_s(one.duration_s, half_life_s)
        starts.append(one.acquired + timedelta(seconds=within_s - one.reference_s))
    if not starts:
        missing = [named("FrameReferenceTime")] if all(one.reference_s is None for one in times) else []
        missing += [] if header.is_ge else [named("ActualFrameDuration")]
        raise DicomError(
            f"SUV needs the moment of the scan's start; {named('SeriesTime')} is later than "
            f"{named('AcquisitionTime')}, and one of these is missing: {', '.join(missing)}; give --corrected-to"
        )
    spread = (max(starts) - min(starts)).total_seconds()
    text = f"the bed positions' times put the scan's start {spread:.0f} s apart: the middle is taken"
    rule = "Acquisition Date and Time less Frame Reference Time"
    rule += "" if header.is_ge else ", with the moment of the average count rate"
    return Reference(median_low(starts), rule, (text,) if spread > SPREAD_S else ())


def average_s(duration_s: float, half_life_s: float) -> float:
    """Seconds from the start of a frame to its average count rate: ln(u / (1 - exp(-u))) / lambda, u = lambda T."""
    rate = math.log(2) / half_life_s
    u = rate * duration_s
    return math.log(u / -math.expm1(-u)) / rate if u > 0 else 0.0


def left_after(uptake_s: float, half_life_s: float) -> float:
    """The share of an activity that is left: 2^(-t / half-life)."""
    return float(2.0 ** (-uptake_s / half_life_s))


def uptake_s(header: SuvHeader, reference: datetime, half_life_s: float) -> tuple[float, tuple[str, ...]]:
    """Seconds from the injection to `reference`, over midnight where need be, and warnings.

    Raises:
        DicomError: When the injection's time is missing, or cannot belong to this scan.
    """
    injected = header.injected
    most_s = MOST_HALF_LIVES * half_life_s
    if injected is None:
        raise DicomError(
            f"SUV needs the injection's time; {named('RadiopharmaceuticalStartDateTime')} and "
            f"{named('RadiopharmaceuticalStartTime')} are missing; give --injected-at"
        )
    doubts: tuple[str, ...] = ()
    if isinstance(injected, datetime):
        seconds = (reference - injected).total_seconds()
        if 0 <= seconds <= most_s:
            return seconds, ()
        if "injected" in header.by_hand:
            raise _impossible(seconds, "--injected-at")
        tag = named("RadiopharmaceuticalStartDateTime")
        rule = "its time of day alone is taken, as the date may have been changed"
        doubts = (f"{tag} is {seconds / 3600:.1f} h before the scan, which cannot be: {rule}",)
        injected = header.injected_time or injected.time()
    seconds = (reference - last_before(reference, injected)).total_seconds()
    if seconds > most_s:
        raise _impossible(seconds, "--injected-at" if "injected" in header.by_hand else "the injection's time")
    return seconds, doubts


def _impossible(seconds: float, what: str) -> DicomError:
    return DicomError(
        f"the injection precedes the scan by less than {MOST_HALF_LIVES} half-lives; by {what} it is "
        f"{seconds / 3600:.1f} h before; give the right --injected-at"
    )
