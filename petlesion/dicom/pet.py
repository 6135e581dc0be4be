# SPDX-License-Identifier: Apache-2.0
"""A PET series in SUV by body weight: by its real-world-value map where it has one, else by its header."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from statistics import median
from typing import TYPE_CHECKING

from petlesion.dicom.faults import DicomError
from petlesion.dicom.pixels import rescaled
from petlesion.dicom.planes import first_frame
from petlesion.dicom.series import is_attenuation_corrected
from petlesion.dicom.stack import grid_of_stack, ordered
from petlesion.dicom.suv import SuvScale, suv_scale
from petlesion.dicom.suv_header import SuvHeader, suv_header_of, with_wishes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from petlesion.dicom.planes import Plane
    from petlesion.dicom.real_world import RealWorldMap
    from petlesion.dicom.series import Series
    from petlesion.dicom.wishes import DicomWishes
    from petlesion.volume import Volume

Maps = dict[str, tuple["RealWorldMap", ...]]
AGREES = 0.01  # a map's factor further from the header's than this share is worth a warning


@dataclass(frozen=True, slots=True, eq=False)
class SuvPet:
    """A PET in SUV by body weight, float32, (Z, Y, X), the rule by which it was computed, and what is doubtful."""

    volume: Volume
    rule: str
    warnings: tuple[str, ...] = ()


def suv_pet(series: Series, maps: Maps, wishes: DicomWishes) -> SuvPet:
    """Stack a PET series and turn it into SUV by body weight.

    Args:
        series: The chosen PET.
        maps: Real-world-value maps of objects of their own, by SOP Instance UID.
        wishes: The user's words, which overrule the header and the maps.

    Raises:
        DicomError: When the slices are no stack, the pixels cannot be read, or SUV cannot be computed.
    """
    stack = ordered(series)
    scale, planes = slice_scales(series, stack, maps, wishes)
    grid = grid_of_stack(series, stack)
    in_suv = tuple(
        replace(plane, slope=plane.slope * factor, intercept=plane.intercept * factor)
        for plane, factor in zip(planes, scale.factors, strict=True)
    )
    doubts = () if is_attenuation_corrected(series.headers[0]) else ("the chosen PET is not corrected for attenuation",)
    return SuvPet(rescaled(series, in_suv, grid), scale.rule, doubts + scale.warnings)


def slice_scales(
    series: Series, stack: Sequence[Plane], maps: Maps, wishes: DicomWishes
) -> tuple[SuvScale, tuple[Plane, ...]]:
    """The factor of each slice, and the slices with the slope and intercept that go before it.

    Raises:
        DicomError: As `suv_pet`.
    """
    header = with_wishes(one_header(series), wishes)
    planes = tuple(stack)
    if not header.units and (activity := _maps_of(planes, maps, "BQML")):
        header = replace(header, units="BQML")
        planes = tuple(replace(p, slope=m.slope, intercept=m.intercept) for p, m in zip(planes, activity, strict=True))
    mapped = _maps_of(planes, maps, "SUVbw")
    times = [plane.time for plane in planes]
    if mapped is None or header.by_hand:
        return suv_scale(header, times), planes
    try:
        computed = suv_scale(header, times)
    except DicomError:
        computed = None
    return _by_maps(planes, mapped, computed)


def one_header(series: Series) -> SuvHeader:
    """The SUV header that all files of a series share.

    Raises:
        DicomError: When they differ; names the attributes.
    """
    headers = [suv_header_of(first_frame(header)) for header in series.headers]
    differing = [one.name for one in fields(SuvHeader) if len({getattr(header, one.name) for header in headers}) > 1]
    if differing:
        raise DicomError(
            f"all slices of a PET must share what SUV is computed from; those of {series} differ in "
            f"{', '.join(differing)}; give a folder with one series only"
        )
    return headers[0]


def _maps_of(
    planes: Sequence[Plane], maps: Mapping[str, tuple[RealWorldMap, ...]], units: str
) -> list[RealWorldMap] | None:
    """The map of a unit for each slice, the image's own before one beside; None where a slice has none."""
    found = []
    for plane in planes:
        both = (*plane.real_world, *maps.get(plane.sop_uid, ()))
        fitting = next((one for one in both if one.units == units), None)
        if fitting is None:
            return None
        found.append(fitting)
    return found


def _by_maps(
    planes: tuple[Plane, ...], mapped: list[RealWorldMap], computed: SuvScale | None
) -> tuple[SuvScale, tuple[Plane, ...]]:
    """SUV by real-world-value maps, which take stored values by the standard, rescaled ones by some tools.

    The header's own SUV tells the two apart. Without it, one map for slices of different slopes can only be meant for
    rescaled values.
    """
    whole = [one.slope for one in mapped]
    per_slope = [
        one.slope / plane.slope if plane.slope else math.inf for one, plane in zip(mapped, planes, strict=True)
    ]
    if computed is not None:
        takes_rescaled = _distance(whole, computed.factors) < _distance(per_slope, computed.factors)
    else:
        takes_rescaled = len(set(whole)) == 1 and len({plane.slope for plane in planes}) > 1
    chosen = whole if takes_rescaled else per_slope
    doubts: tuple[str, ...] = ()
    if computed is not None and (off := _distance(chosen, computed.factors)) > AGREES:
        doubts = (f"the real-world-value map's factor is {off:.1%} off what the header gives: the map's is taken",)
    kind = "rescaled" if takes_rescaled else "stored"
    rule = f"real-world-value map to SUV by body weight, of {kind} values"
    if takes_rescaled:
        shifted = tuple(
            replace(p, slope=p.slope * m.slope, intercept=p.intercept * m.slope + m.intercept)
            for p, m in zip(planes, mapped, strict=True)
        )
    else:
        shifted = tuple(replace(p, slope=m.slope, intercept=m.intercept) for p, m in zip(planes, mapped, strict=True))
    return SuvScale((1.0,) * len(planes), rule, doubts), shifted


def _distance(factors: Sequence[float], others: Sequence[float]) -> float:
    """The median relative difference of two lists of factors."""
    return median(abs(one / other - 1) for one, other in zip(factors, others, strict=True))
