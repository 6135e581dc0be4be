# SPDX-License-Identifier: Apache-2.0
"""A case from DICOM: a study's folder, or the platform's folders of one image set each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from petlesion.case import AIR_HU, Tracer
from petlesion.dicom.choice import choose, choose_ct, choose_pet
from petlesion.dicom.headers import quiet_pydicom
from petlesion.dicom.pet import suv_pet
from petlesion.dicom.pixels import rescaled
from petlesion.dicom.stack import grid_of_stack, ordered
from petlesion.dicom.study import find_study
from petlesion.dicom.tracer import tracer_of

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.dicom.series import Series
    from petlesion.dicom.study import Study
    from petlesion.dicom.wishes import DicomWishes
    from petlesion.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A volume read from DICOM.

    Attributes:
        volume: SUV by body weight or HU, float32, (Z, Y, X).
        uid: Series Instance UID.
        warnings: What is doubtful.
        origin: How it came about, for the report.
        tracer: The tracer that the header names.
    """

    volume: Volume
    uid: str
    warnings: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)
    tracer: Tracer | None = None


@quiet_pydicom()
def read_study(folder: Path, wishes: DicomWishes) -> tuple[Reading, Reading]:
    """CT and PET of a study's folder.

    Raises:
        DicomError: When the two series cannot be told, are no stacks, or SUV cannot be computed.
    """
    study = find_study(folder)
    choice = choose(study, wishes)
    pet = _read_pet(study, choice.pet, wishes)
    return _read_ct(choice.ct, choice.warnings), pet


@quiet_pydicom()
def read_pet_folder(folder: Path, wishes: DicomWishes) -> Reading:
    """The PET of a folder that holds its image set.

    Raises:
        DicomError: As `read_study`.
    """
    study = find_study(folder)
    return _read_pet(study, choose_pet(study.series, wishes.pet_series), wishes)


@quiet_pydicom()
def read_ct_folder(folder: Path, wishes: DicomWishes) -> Reading:
    """The CT of a folder that holds its image set.

    Raises:
        DicomError: As `read_study`.
    """
    study = find_study(folder)
    return _read_ct(choose_ct(study.series, None, wishes.ct_series)[0], ())


@quiet_pydicom()
def read_rescaled_pet(folder: Path, wishes: DicomWishes) -> Reading:
    """The PET of a folder in whatever unit it has, for a mask of last resort.

    Raises:
        DicomError: When there is no PET that can be stacked.
    """
    series = choose_pet(find_study(folder).series, wishes.pet_series)
    stack = ordered(series)
    return Reading(rescaled(series, stack, grid_of_stack(series, stack)), series.uid)


def _read_pet(study: Study, series: Series, wishes: DicomWishes) -> Reading:
    pet = suv_pet(series, study.maps, wishes)
    tracer, drug = tracer_of(series.headers[0])
    doubts = pet.warnings
    if drug and tracer is None:
        doubts += (f"the header names {drug!r} as radiopharmaceutical: the networks know FDG and PSMA only",)
    origin = {"pet_series": series.uid, "suv_rule": pet.rule, "radiopharmaceutical": drug}
    return Reading(pet.volume, series.uid, doubts, origin, tracer)


def _read_ct(series: Series, doubts: tuple[str, ...]) -> Reading:
    """The CT in HU; what lies outside the scanner's field of view, far below air, becomes air."""
    stack = ordered(series)
    volume = rescaled(series, stack, grid_of_stack(series, stack))
    volume = volume.with_array(np.maximum(volume.array_zyx, np.float32(AIR_HU)))
    return Reading(volume, series.uid, doubts, {"ct_series": series.uid})
