# SPDX-License-Identifier: Apache-2.0
"""Cases from DICOM, admitted: a study's folder that a user names, or the platform's image sets.

The platform lays an image set into its socket's folder, one file an image, named by its SOP Instance UID; the other of
the two sockets may hold an image file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from petlesion.case import Admission, CaseError, admit, finite
from petlesion.click_file import is_there, read_clicks
from petlesion.clicks import Clicks, ParsedClicks, admit_clicks
from petlesion.dicom.intake import Reading, read_ct_folder, read_pet_folder, read_rescaled_pet, read_study
from petlesion.dicom.sniff import holds_dicom
from petlesion.images import image_stem, read_image, shown
from petlesion.sockets import CT, PET, one_image

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.read_options import ReadOptions
    from petlesion.sockets import CaseFiles
    from petlesion.volume import Volume


def read_dicom_study(study: Path, name: str, clicks_file: Path | None, options: ReadOptions) -> Admission:
    """Read and admit the case of a study's folder.

    Args:
        study: Folder with the DICOM files, nested as it may be.
        name: The case's name; a study's own names are its patient's.
        clicks_file: File of clicks on the PET's voxels; None are zero clicks.
        options: How lenient the reading is, and what the user says about the study.

    Raises:
        CaseError: When the case cannot be segmented as it is, or the file of clicks does not exist.
    """
    if clicks_file and not is_there(clicks_file):
        raise CaseError(f"the file of clicks must exist; {shown(clicks_file)} does not; mend its path")
    points = read_clicks(clicks_file, strict=options.strict) if clicks_file else ParsedClicks()
    ct, pet = read_study(study, options.dicom)
    return _admit(name, ct, pet, points, options)


def read_image_sets(files: CaseFiles, options: ReadOptions) -> Admission:
    """Read and admit a case of which one socket or both hold an image set.

    Raises:
        CaseError: When the case cannot be segmented as it is.
    """
    points = read_clicks(files.clicks, strict=options.strict) if is_there(files.clicks) else ParsedClicks()
    is_set = holds_dicom(files.ct_dir)
    ct = read_ct_folder(files.ct_dir, options.dicom) if is_set else _read_image(files.ct_dir, CT.title)
    is_set = holds_dicom(files.pet_dir)
    pet = read_pet_folder(files.pet_dir, options.dicom) if is_set else _read_image(files.pet_dir, PET.title)
    return _admit(ct.uid, ct, pet, points, options)


def read_set_pet(files: CaseFiles, options: ReadOptions) -> tuple[str, Volume, Clicks, tuple[str, ...]]:
    """What a mask of last resort needs of a PET that is an image set: in SUV, or in whatever unit it has.

    Returns:
        The mask's name, the finite PET, the clicks on it, warnings.

    Raises:
        CaseError: When there is no PET that can be read.
    """
    try:
        pet = read_pet_folder(files.pet_dir, options.dicom)
    except CaseError:
        pet = read_rescaled_pet(files.pet_dir, options.dicom)
    volume, repairs = finite(pet.volume, 0.0, PET.title)
    points = read_clicks(files.clicks) if is_there(files.clicks) else ParsedClicks()
    admitted = admit_clicks(points, volume.grid, options.points_unit)
    return pet.uid, volume, admitted.clicks, pet.warnings + repairs + admitted.warnings


def _read_image(folder: Path, title: str) -> Reading:
    """The one image file of a socket's folder."""
    path = one_image(folder, title)
    return Reading(read_image(path, title), image_stem(path))


def _admit(name: str, ct: Reading, pet: Reading, points: ParsedClicks, options: ReadOptions) -> Admission:
    found = admit(name, ct.volume, pet.volume, points, assume_suv=options.assume_suv, points_unit=options.points_unit)
    case = replace(found.case, recorded_tracer=pet.tracer)
    return Admission(case, ct.warnings + pet.warnings + found.warnings, pet.origin | ct.origin)
