# SPDX-License-Identifier: Apache-2.0
"""A case: one patient's CT and PET on one grid, with clicks; and the rules that admit it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from petlesion.clicks import Clicks, ParsedClicks, PointsUnit, admit_clicks
from petlesion.itk import resample_onto
from petlesion.volume import Grid, Volume

AIR_HU = -1024.0
# A PET of which more than one voxel in a thousand exceeds SUV 1000 is in Bq/ml. The hottest organs of PSMA PET,
# bladder and kidneys, reach SUV 100 to 300; in Bq/ml, soft tissue alone has 1000 to 5000.
BQ_ABOVE = 1000.0
# A PET of which more than one voxel in a hundred lies below -10 is something else: a CT has its air at -1000.
NEGATIVE_BELOW = -10.0


class Tracer(StrEnum):
    """What the patient was injected with."""

    FDG = "FDG"
    PSMA = "PSMA"


class CaseError(ValueError):
    """A case that cannot be segmented as it is. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class PetCtCase:
    """One admitted case. Make it with `admit`, which checks and repairs; the constructor only checks.

    Attributes:
        name: Stem of the CT file; names the mask.
        ct_hu: CT in Hounsfield units, float32, (Z, Y, X), on the PET's grid.
        pet_suv: PET in SUV (body weight), float32, (Z, Y, X).
        clicks: Clicks on the PET's grid.
        recorded_tracer: The tracer that the images' header names; None where they have none or it does not say.
        warnings: What was repaired or is doubtful, as `read_case` of the library keeps it.
        origin: How the images came about, as `read_case` keeps it; empty where files held them as they are.

    Raises:
        CaseError: When CT and PET do not share one grid, or a click lies outside it.
    """

    name: str
    ct_hu: Volume
    pet_suv: Volume
    clicks: Clicks = Clicks()  # noqa: RUF009 - a frozen value
    recorded_tracer: Tracer | None = None
    warnings: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ct_hu.grid.same_as(self.pet_suv.grid):
            raise CaseError("CT and PET must share one grid; resample the CT to the PET first, as `admit` does")
        if self.clicks.within(self.grid) != self.clicks:
            raise CaseError("every click must lie inside the PET; drop the others first, as `admit` does")

    @property
    def grid(self) -> Grid:
        """The PET's grid, which is the grid of the mask."""
        return self.pet_suv.grid


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted case, and what had to be repaired or is doubtful about it, one sentence a kind.

    Attributes:
        case: The case.
        warnings: The sentences.
        origin: How the images came about, for the report; empty where files held them as they are.
    """

    case: PetCtCase
    warnings: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)


def admit(
    name: str,
    ct: Volume,
    pet: Volume,
    clicks: ParsedClicks | Clicks = ParsedClicks(),  # noqa: B008 - a frozen value
    *,
    assume_suv: bool = False,
    points_unit: PointsUnit = "voxels",
) -> Admission:
    """Check and repair a case: finite values, a PET in SUV, the CT on the PET's grid, clicks on its voxels.

    Args:
        name: Stem of the CT file.
        ct: CT in HU, (Z, Y, X), on any grid that overlaps the PET's.
        pet: PET in SUV, (Z, Y, X).
        clicks: Points as a file gave them, or clicks in voxels of the PET.
        assume_suv: Take the PET as SUV although its values do not look so.
        points_unit: Unit of the points of `clicks`.

    Raises:
        CaseError: When the PET cannot be SUV, or CT and PET do not overlap.
    """
    pet_suv, pet_repairs = finite(pet, 0.0, "PET")
    if not assume_suv:
        _check_suv(pet_suv)
    _check_overlap(ct.grid, pet.grid)
    ct_hu, ct_repairs = finite(ct, AIR_HU, "CT")
    doubts = _doubts(ct_hu, pet_suv)
    ct_on_pet, moves = _on_grid(ct_hu, pet_suv.grid)
    admitted = admit_clicks(clicks, pet_suv.grid, points_unit)
    case = PetCtCase(name, ct_on_pet, pet_suv, admitted.clicks)
    return Admission(case, pet_repairs + ct_repairs + doubts + moves + admitted.warnings)


def finite(volume: Volume, fill: float, what: str) -> tuple[Volume, tuple[str, ...]]:
    """The volume as float32 with `fill` for NaN and infinity; a warning counts them where there are any."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite
        array = volume.array_zyx.astype(np.float32, copy=False)
    good = np.isfinite(array)
    count = array.size - int(np.count_nonzero(good))
    if not count:
        return volume.with_array(array), ()
    text = f"{count} voxel{'s' if count > 1 else ''} of the {what} NaN or infinite: replaced by {fill:g}"
    return volume.with_array(np.where(good, array, np.float32(fill))), (text,)


def _check_suv(pet: Volume) -> None:
    """Refuse what cannot be SUV by body weight; never rescale it."""
    array = pet.array_zyx
    rule, remedy = "the PET must be in SUV by body weight", "or overrule with --assume-suv"
    if np.count_nonzero(array > BQ_ABOVE) > array.size / 1000:
        offence = f"more than 0.1 % of its voxels exceed {BQ_ABOVE:g} (maximum {array.max():.6g}), as in Bq/ml"
        raise CaseError(f"{rule}; {offence}; convert it to SUV, {remedy}")
    if np.count_nonzero(array < NEGATIVE_BELOW) > array.size / 100:
        offence = f"more than 1 % of its voxels are below {NEGATIVE_BELOW:g} (minimum {array.min():.6g})"
        raise CaseError(f"{rule}; {offence}; check that CT and PET are not exchanged, {remedy}")


def _doubts(ct: Volume, pet: Volume) -> tuple[str, ...]:
    """What is admitted and yet unlikely to be meant."""
    texts = []
    if (low := pet.array_zyx.min()) == pet.array_zyx.max():
        texts.append(f"every voxel of the PET is {low:g}: nothing to be found in it")
    if ct.array_zyx.min() >= 0:
        texts.append("no voxel of the CT is negative, but air is -1000 HU, fat -100 HU: stored with an offset?")
    return tuple(texts)


def _check_overlap(ct: Grid, pet: Grid) -> None:
    (ct_low, ct_high), (pet_low, pet_high) = ct.bounds_mm(), pet.bounds_mm()
    for axis, c0, c1, p0, p1 in zip("xyz", ct_low, ct_high, pet_low, pet_high, strict=True):
        if c1 <= p0 or p1 <= c0:
            raise CaseError(
                f"PET and CT must cover the same body: PET spans {axis} {p0:.0f}..{p1:.0f} mm, CT spans "
                f"{c0:.0f}..{c1:.0f} mm; check that both belong to one study"
            )


def _on_grid(ct: Volume, grid: Grid) -> tuple[Volume, tuple[str, ...]]:
    """The CT on the PET's grid, interpolated linearly where it is not there already."""
    if ct.grid.same_as(grid):
        return Volume(ct.array_zyx, grid), ()
    (ct_low, ct_high), (low, high) = ct.grid.bounds_mm(), grid.bounds_mm()
    inside = np.minimum(ct_high, high) - np.maximum(ct_low, low)
    share = float(np.prod(np.maximum(inside, 0) / np.subtract(high, low)))
    text = (
        f"the CT has another grid ({_words(ct.grid)}) than the PET ({_words(grid)}): resampled to the PET, "
        f"of which it covers {share:.0%}; the rest is taken as air"
    )
    return resample_onto(ct, grid, AIR_HU), (text,)


def _words(grid: Grid) -> str:
    sizes = " x ".join(map(str, grid.size_xyz))
    return f"{sizes} voxels of {' x '.join(f'{s:.4g}' for s in grid.spacing_mm)} mm"
