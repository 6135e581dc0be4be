# SPDX-License-Identifier: Apache-2.0
"""The Grand-Challenge contract: a case is read from its sockets, and its mask goes to its own."""

from __future__ import annotations

import errno
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlesion.case import Admission, CaseError, admit, finite
from petlesion.click_file import is_there, read_clicks
from petlesion.clicks import Clicks, ParsedClicks, admit_clicks
from petlesion.dicom.sniff import holds_dicom
from petlesion.drafts import draft_folder
from petlesion.images import OutputError, image_stem, printable, read_image, reason, shown, write_mask
from petlesion.read_options import AS_USUAL, ReadOptions
from petlesion.report_file import report_at_hand
from petlesion.sockets import CT, PET, find_files, fixed_files, one_image

if TYPE_CHECKING:
    from petlesion.volume import Volume

MASK_SLUG = "tumor-lesion-segmentation"
REPORT = "report.json"
AUTOPET_III_MASK_SLUG = "automated-petct-lesion-segmentation"  # for --slug


def read_case(input_dir: Path, options: ReadOptions = AS_USUAL) -> Admission:
    """Read and admit the case in a folder of sockets.

    Raises:
        CaseError: When the case cannot be segmented as it is; the text names file, fault and remedy.
    """
    files = find_files(input_dir)
    if holds_dicom(files.ct_dir) or holds_dicom(files.pet_dir):
        from petlesion.dicom.cases import read_image_sets  # noqa: PLC0415 - other cases do without pydicom

        return read_image_sets(files, options)
    ct_file, pet_file = one_image(files.ct_dir, CT.title), one_image(files.pet_dir, PET.title)
    clicks_file = files.clicks if is_there(files.clicks) else None
    return read_files(ct_file, pet_file, clicks_file, options)


def read_files(ct_file: Path, pet_file: Path, clicks_file: Path | None, options: ReadOptions) -> Admission:
    """Read and admit a case from its files.

    Args:
        ct_file: CT in HU; its stem names the case.
        pet_file: PET in SUV.
        clicks_file: File of clicks; None are zero clicks.
        options: How lenient the reading is.

    Raises:
        CaseError: When the case cannot be segmented as it is, or the file of clicks does not exist.
    """
    if clicks_file and not is_there(clicks_file):
        raise CaseError(f"the file of clicks must exist; {shown(clicks_file)} does not; mend its path")
    points = read_clicks(clicks_file, strict=options.strict) if clicks_file else ParsedClicks()
    with ThreadPoolExecutor(2) as readers:  # ITK decodes without holding the interpreter
        ct, pet = readers.map(read_image, (ct_file, pet_file), (CT.title, PET.title))
    return admit(image_stem(ct_file), ct, pet, points, assume_suv=options.assume_suv, points_unit=options.points_unit)


def read_pet(input_dir: Path, options: ReadOptions = AS_USUAL) -> tuple[str, Volume, Clicks, tuple[str, ...]]:
    """What a mask of last resort needs, where the case as a whole was refused: the PET, whatever its unit.

    Returns:
        The mask's name (the CT's stem, else the PET's), the finite PET, the clicks on it, warnings.

    Raises:
        CaseError: When there is no PET that can be read.
    """
    try:
        files = find_files(input_dir)
    except CaseError:
        files = fixed_files(input_dir)
    if holds_dicom(files.pet_dir):
        from petlesion.dicom.cases import read_set_pet  # noqa: PLC0415 - other cases do without pydicom

        return read_set_pet(files, options)
    pet_file = one_image(files.pet_dir, PET.title)
    try:
        name = image_stem(one_image(files.ct_dir, CT.title))
    except CaseError:
        name = image_stem(pet_file)
    pet, repairs = finite(read_image(pet_file, PET.title), 0.0, PET.title)
    points = read_clicks(files.clicks) if is_there(files.clicks) else ParsedClicks()
    admitted = admit_clicks(points, pet.grid, options.points_unit)
    return name, pet, admitted.clicks, repairs + admitted.warnings


def check_output(output_dir: Path, slug: str = MASK_SLUG) -> tuple[str, ...]:
    """Find out at the start whether the mask can be written at the end.

    Returns:
        A warning where masks of other runs lie in the mask's folder, which `write_result` will replace.

    Raises:
        OutputError: When the folder cannot be made or written; the text names it and the uid.
    """
    folder = _mask_folder(output_dir, slug)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft_folder(output_dir) as probe:
            (probe / "probe").write_bytes(b"0")
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if (output_dir / REPORT).is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{REPORT} is a folder")
        stale = _masks(folder)
    except OSError as error:
        raise OutputError(
            f"the output folder must be writable; {shown(output_dir)} is not for uid {os.geteuid()}: "
            f"{reason(error)}; mount it writable for that user"
        ) from None
    names = ", ".join(printable(path.name) for path in stale)
    return (f"masks of other runs in {shown(folder)} will be removed: {names}",) if stale else ()


def write_result(mask: Volume, name: str, report: dict[str, Any], output_dir: Path, slug: str = MASK_SLUG) -> Path:
    """Write the mask as the one image of its socket, then the report beside.

    Masks of other runs are removed from the socket's folder once the new one is in place: the platform takes
    exactly one image.

    Args:
        mask: bool, or uint8 of 0 and 1, (Z, Y, X), on the PET's grid.
        name: The case's name, which is the mask's stem.
        report: Goes to `report.json` in `output_dir`.
        output_dir: The platform's output folder.
        slug: The output socket's slug.

    Returns:
        The mask's path.

    Raises:
        OutputError: When either cannot be written.
    """
    if not name or Path(name).name != name:
        raise OutputError(f"a mask is named as the CT file, without folders; got {name!r}")
    path = _mask_folder(output_dir, slug) / f"{name}.mha"
    with report_at_hand(report, output_dir / REPORT):  # where there is no room for it, no mask is replaced either
        write_mask(mask, path, output_dir)
        _remove_others(path)
    return path


def _remove_others(path: Path) -> None:
    """Remove masks of other runs from a mask's folder."""
    try:
        for stale in _masks(path.parent):
            if stale != path:
                stale.unlink()
    except OSError as error:
        raise OutputError(
            f"{shown(path.parent)} must hold one mask; others cannot be removed: {reason(error)}"
        ) from error


def _mask_folder(output_dir: Path, slug: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", slug):
        raise OutputError(f"a slug is of letters, digits and hyphens, such as {MASK_SLUG}; got {slug!r}")
    return output_dir / "images" / slug


def _masks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".mha" and not path.is_dir())
