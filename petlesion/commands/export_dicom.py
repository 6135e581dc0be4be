# SPDX-License-Identifier: Apache-2.0
"""`petlesion export-dicom`: a mask and its measurements as DICOM objects."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.limits import UsageError

if TYPE_CHECKING:
    import argparse

    from petlesion.volume import Volume

SUMMARY = "write a mask as DICOM segmentation (seg.dcm) and its measurements as structured report (sr.dcm)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from petlesion.options import add_dicom_options

    add = parser.add_argument
    add("--series", type=Path, required=True, metavar="DIR", help="folder of the PET series, one file a slice")
    add("--mask", type=Path, required=True, metavar="FILE", help="mask on the grid of that series")
    add("--pet", type=Path, metavar="FILE", help="PET in SUV by body weight on the same grid, in whose place no header "
        "is read (default: computed from the series, as segment --dicom does)")  # fmt: skip
    add("--report", type=Path, metavar="FILE", help="report.json of the mask: names the recipe in the objects")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the objects; it is made")
    add("--per-lesion", action="store_true", help="one segment for each lesion instead of one for all")
    add(
        "--rtstruct", action="store_true", help="write the lesions' contours too, as an RT structure set (rtstruct.dcm)"
    )
    add("--guided", action="store_true", help="a person had a part in the mask, by clicks or corrections: the objects "
        "call the algorithm semi-automatic")  # fmt: skip
    add("--anonymise", action="store_true", help="leave out the patient's name, birth date and identifiers")
    add_dicom_options(parser)


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.dicom_out.author import Author
    from petlesion.dicom_out.export import ExportOptions, objects_of, write_objects
    from petlesion.dicom_out.series import SourceSeries
    from petlesion.images import read_image
    from petlesion.lesions import LesionMask, LesionMaskError, measure_lesions

    author = Author(_recipe(arguments.report), arguments.guided)
    read = read_image(arguments.mask, "mask")
    mask = LesionMask.of(read.array_zyx != 0, read.grid)
    options = ExportOptions(author, arguments.per_lesion, arguments.anonymise, arguments.rtstruct)
    series = SourceSeries.read(arguments.series)
    pet = _pet_of_series(arguments) if arguments.pet is None else read_image(arguments.pet, "PET")
    try:
        lesions = measure_lesions(mask, pet)
        objects = objects_of(series, mask, lesions, options)
    except LesionMaskError as error:
        raise UsageError(str(error)) from error
    for path in write_objects(objects, arguments.out):
        print(path)
    return 0


def _pet_of_series(arguments: argparse.Namespace) -> Volume:
    """The series in SUV by body weight; what is doubtful about it is said."""
    from petlesion.dicom.intake import read_pet_folder
    from petlesion.options import dicom_wishes

    try:
        wishes = dicom_wishes(arguments)
    except ValueError as error:
        raise UsageError(str(error)) from error
    reading = read_pet_folder(arguments.series, wishes)
    for warning in reading.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return reading.volume


def _recipe(report: Path | None) -> str:
    """The recipe that a report names."""
    if report is None:
        return ""
    from petlesion.document import DocumentError, parse_document, read_bytes
    from petlesion.table import MAX_BYTES

    try:
        return str(parse_document(read_bytes(report, MAX_BYTES), MAX_BYTES)["recipe"])
    except (OSError, DocumentError, KeyError, TypeError):
        raise UsageError(f"--report is a report.json of petlesion; {report} cannot be read as one") from None
