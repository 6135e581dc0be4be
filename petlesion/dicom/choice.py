# SPDX-License-Identifier: Apache-2.0
"""Which series are the case: the attenuation-corrected PET, and the CT of its frame of reference.

What cannot be told apart by these rules is refused with the candidates' names, never guessed:

1. A series that is named (`--pet-series`, `--ct-series`) is taken; the rest is not looked at.
2. Localizers, projections, secondary captures, reformatted and colour images, gated, dynamic and uncorrected PET are
   left alone.
3. The CT shares the PET's patient and frame of reference. Where none does, one that covers the PET's span is taken with
   a warning: de-identification may give each series a frame of its own.
4. Of several, those that cover the PET best; then originals before derived ones; then the CT of the attenuation
   correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from petlesion.dicom.faults import DicomError, named
from petlesion.images import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from petlesion.dicom.series import Kind, Series
    from petlesion.dicom.study import Study
    from petlesion.dicom.wishes import DicomWishes

AS_GOOD = 0.05  # a CT that covers less of the PET than the best by more than this share is left alone
LEAST_COVER = 0.5  # of the PET's span along its normal


@dataclass(frozen=True, slots=True)
class Choice:
    """The two series of a case, and what is doubtful about them."""

    pet: Series
    ct: Series
    warnings: tuple[str, ...] = ()


def choose(study: Study, wishes: DicomWishes) -> Choice:
    """The PET and the CT of a study.

    Raises:
        DicomError: When one of them is missing, several fit, or a UID is not there; names the candidates.
    """
    pet = choose_pet(study.series, wishes.pet_series)
    ct, doubts = choose_ct(study.series, pet, wishes.ct_series)
    copies = pet.copies + ct.copies
    if copies:
        doubts += (f"{copies} slice{'s' if copies > 1 else ''} of the study lie there twice: the copies are left out",)
    return Choice(pet, ct, doubts)


def choose_pet(series: Sequence[Series], uid: str | None = None) -> Series:
    """The attenuation-corrected PET of a study.

    Raises:
        DicomError: When there is none, or several fit.
    """
    if uid is not None:
        return _named(series, uid, "PET")
    fit = _fit(series, "PET")
    best = [one for one in fit if one.is_original] or fit
    return _only(best, "PET")


def choose_ct(series: Sequence[Series], pet: Series | None, uid: str | None = None) -> tuple[Series, tuple[str, ...]]:
    """The CT of the PET's frame of reference, and a warning where it has another.

    Args:
        series: The series of a folder.
        pet: The chosen PET; None where it lies elsewhere.
        uid: The user's choice.

    Raises:
        DicomError: When there is none, or several fit.
    """
    if uid is not None:
        ct = _named(series, uid, "CT")
        return ct, _doubts(ct, pet)
    left = _fit(series, "CT")
    if pet is not None:
        left = _of_place(left, pet)
    preferences: tuple[Callable[[Series], bool], ...] = (
        lambda one: one.is_original,
        lambda one: one.is_for_attenuation,
    )
    for preferred in preferences:
        left = [one for one in left if preferred(one)] or left
    ct = _only(left, "CT")
    return ct, _doubts(ct, pet)


def _of_place(fit: list[Series], pet: Series) -> list[Series]:
    """Those of the PET's patient and frame of reference that cover it best."""
    fit = [one for one in fit if one.patient == pet.patient]
    if not fit:
        raise DicomError(f"PET and CT must be of one patient; no CT in the folder is of the patient of {pet}")
    at_place = [one for one in fit if one.frame_of_reference == pet.frame_of_reference] or fit
    best = max(cover(one, pet) for one in at_place)
    if best < LEAST_COVER:
        names = "; ".join(map(str, at_place))
        raise DicomError(
            f"the CT must cover the PET's body; less than half of {pet} is covered by any of: {names}; "
            "export the CT of the whole scan, or choose one with --ct-series"
        )
    return [one for one in at_place if cover(one, pet) >= best - AS_GOOD]


def cover(ct: Series, pet: Series) -> float:
    """The share of the PET's span along its own normal that the CT's slices cover, in [0, 1]."""
    normal = np.cross((pet.planes[0].axes or ())[:3], (pet.planes[0].axes or ())[3:])
    inside, whole = (np.array([p.position_mm for p in one.planes if p.position_mm]) @ normal for one in (ct, pet))
    span = float(whole.max() - whole.min())
    shared = min(inside.max(), whole.max()) - max(inside.min(), whole.min())
    return float(np.clip(shared / span, 0, 1)) if span else 0.0


def _doubts(ct: Series, pet: Series | None) -> tuple[str, ...]:
    if pet is None or ct.frame_of_reference == pet.frame_of_reference:
        return ()
    return (f"CT and PET name different frames ({named('FrameOfReferenceUID')}): taken as one; check that they match",)


def _fit(series: Sequence[Series], kind: Kind) -> list[Series]:
    """The series of a kind that can be segmented; refused where there is none, with the reason of each."""
    of_kind = [one for one in series if one.kind == kind]
    fit = [one for one in of_kind if not one.unfit]
    if not fit:
        found = "; ".join(f"{one} is {one.unfit}" for one in of_kind) or f"there is no {kind} at all"
        rule = "an attenuation-corrected static PET" if kind == "PET" else "a CT of the body"
        raise DicomError(f"a study must hold {rule}; {found}; export the missing series")
    return fit


def _only(series: Sequence[Series], kind: Kind) -> Series:
    if len(series) > 1:
        names = "; ".join(map(str, series))
        raise DicomError(
            f"a study must hold one {kind} to segment; {len(series)} fit: {names}; "
            f"choose one with --{kind.lower()}-series UID"
        )
    return series[0]


def _named(series: Sequence[Series], uid: str, kind: Kind) -> Series:
    """The series that the user chose; what rules it out elsewhere is the user's to know, but for its geometry."""
    of_kind = [one for one in series if one.kind == kind]
    for one in of_kind:
        if one.uid == uid.strip():
            return one
    names = "; ".join(map(str, of_kind)) or "none"
    raise DicomError(
        f"--{kind.lower()}-series is the Series Instance UID of a {kind} in the folder; {printable(uid)} is none; "
        f"there are: {names}"
    )
