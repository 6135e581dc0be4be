# SPDX-License-Identifier: Apache-2.0
"""Slices put in order: planes of one series to a regular grid, or refused by name.

Order, origin and direction are those of the slices' positions along the normal of their axes, rising, as SimpleITK's
series reader has them; file names and instance numbers play no part.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from petlesion.dicom.faults import DicomError
from petlesion.volume import Direction, Grid, GridError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.dicom.planes import Plane
    from petlesion.dicom.series import Series

SAME_AXES = 1e-3  # largest difference of a direction cosine within one series
SAME_SPACING_MM = 1e-3
SAME_PLACE_MM = 1e-2
# Largest distance of a slice from its place on the regular grid, as a share of the step. Real series of two scanners
# are up to 0.05 off, as positions are rounded; one missing slice among a hundred moves others by far more.
OFF_GRID = 0.25
GAP = 1.5  # a step of this many times the median one misses a slice
ROUNDED = "export the series again, without resampling"


def ordered(series: Series) -> tuple[Plane, ...]:
    """The planes of a series by rising position along their normal, checked to be one stack.

    Raises:
        DicomError: When they differ in size, spacing or orientation, two lie at one place, one is missing, the steps
            are uneven, or the stack is tilted.
    """
    planes = series.planes
    _check_alike(series)
    normal = normal_of(planes[0])
    places = np.array([plane.position_mm for plane in planes]) @ normal
    order = np.argsort(places, kind="stable")
    stack = tuple(planes[i] for i in order)
    _check_steps(series, places[order])
    _check_upright(series, stack, normal)
    return stack


def grid_of_stack(series: Series, stack: Sequence[Plane]) -> Grid:
    """The regular grid of an ordered stack; the step is the mean one.

    Raises:
        DicomError: When the slices' own geometry is none that a scanner produces.
    """
    first, last = stack[0], stack[-1]
    normal = normal_of(first)
    span = np.subtract(last.position_mm or (), first.position_mm or ()) @ normal
    axes = np.column_stack([(first.axes or ())[:3], (first.axes or ())[3:], normal]).ravel()
    rows, columns = first.shape
    between_rows, between_columns = first.spacing_mm or (0.0, 0.0)
    direction: Direction = tuple(float(one) for one in axes)  # type: ignore[assignment]
    try:
        return Grid(
            size_xyz=(columns, rows, len(stack)),
            spacing_mm=(between_columns, between_rows, float(span) / (len(stack) - 1)),
            origin_mm=first.position_mm or (0.0, 0.0, 0.0),
            direction=direction,
        )
    except GridError as error:
        raise _refusal(series, f"have a geometry that cannot be: {error}", ROUNDED) from None


def normal_of(plane: Plane) -> NDArray[np.float64]:
    """The unit vector across a plane, from its rows' and its columns' direction."""
    axes = np.asarray(plane.axes, dtype=float)
    return np.cross(axes[:3], axes[3:])


def _check_alike(series: Series) -> None:
    """Refuse planes without geometry, or of several sizes, spacings or orientations."""
    planes = series.planes
    if len(planes) < 2:
        raise _refusal(series, "are one alone", "give the folder of the whole series")
    if any(plane.position_mm is None or plane.axes is None or plane.spacing_mm is None for plane in planes):
        raise _refusal(series, "lack a position, an orientation or a spacing", "choose another series")
    first = planes[0]
    sizes = Counter(plane.shape for plane in planes)
    if len(sizes) > 1:
        found = ", ".join(f"{n} of {rows} x {columns}" for (rows, columns), n in sorted(sizes.items()))
        raise _refusal(series, f"differ in rows and columns: {found}", "give a folder with one of them only")
    if any(np.abs(np.subtract(p.spacing_mm or (), first.spacing_mm or ())).max() > SAME_SPACING_MM for p in planes):
        found = ", ".join(sorted({f"{p.spacing_mm}" for p in planes})[:4])
        raise _refusal(
            series, f"differ in Pixel Spacing (0028,0030): {found} mm", "give a folder with one of them only"
        )
    if any(np.abs(np.subtract(p.axes or (), first.axes or ())).max() > SAME_AXES for p in planes):
        count = len({tuple(np.round(p.axes or (), 2)) for p in planes})
        fault = f"differ in Image Orientation (0020,0037): {count} orientations are mixed"
        raise _refusal(series, fault, "give a folder with one of them only")


def _check_steps(series: Series, places_mm: NDArray[np.float64]) -> None:
    """Refuse two slices at one place, missing ones and uneven steps."""
    steps = np.diff(places_mm)
    twice = int(np.count_nonzero(steps < SAME_PLACE_MM))
    if twice:
        where = places_mm[int(np.argmax(steps < SAME_PLACE_MM))]
        fault = (
            f"lie at one position {twice} times, as at {where:.2f} mm: several time frames, gates or reconstructions"
        )
        raise _refusal(series, fault, "choose another series, or export one frame")
    usual = float(np.median(steps))
    wide = int(np.argmax(steps))
    if steps[wide] > GAP * usual:
        missing = round(float(steps[wide]) / usual) - 1
        fault = f"have a gap of {missing} between {places_mm[wide]:.2f} and {places_mm[wide + 1]:.2f} mm"
        raise _refusal(series, fault, "copy the missing files too")
    regular = np.linspace(places_mm[0], places_mm[-1], len(places_mm))
    off = np.abs(places_mm - regular)
    if off.max() > OFF_GRID * usual:
        fault = f"are unevenly spaced: steps of {steps.min():.3f} to {steps.max():.3f} mm, up to {off.max():.2f} mm off"
        raise _refusal(series, fault, "export a series of one spacing")


def _check_upright(series: Series, stack: Sequence[Plane], normal: NDArray[np.float64]) -> None:
    """Refuse slices that are shifted along each other, as with a tilted gantry."""
    positions = np.array([plane.position_mm for plane in stack])
    moved = positions - positions[0]
    aside = moved - np.outer(moved @ normal, normal)
    step = abs(float((positions[-1] - positions[0]) @ normal)) / (len(stack) - 1)
    if (shift := float(np.linalg.norm(aside, axis=1).max())) > OFF_GRID * step:
        fault = f"are shifted along each other by up to {shift:.2f} mm, as with a tilted gantry"
        raise _refusal(series, fault, "choose an upright series")


def _refusal(series: Series, fault: str, remedy: str) -> DicomError:
    return DicomError(f"the slices of a series must form one regular stack; those of {series} {fault}; {remedy}")
