# SPDX-License-Identifier: Apache-2.0
"""`petlesion segment`: one case given as files, or as a DICOM study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from petlesion.desk import Desk

from petlesion.limits import UsageError

SUMMARY = "segment one case given as files or as a DICOM study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from petlesion.options import add_run_options

    parser.add_argument("--dicom", type=Path, metavar="STUDY", help="folder of a DICOM study with PET and CT, instead "
        "of --ct and --pet")  # fmt: skip
    parser.add_argument("--ct", type=Path, metavar="FILE", help="CT in Hounsfield units (.mha, .nii.gz)")
    parser.add_argument("--pet", type=Path, metavar="FILE", help="PET in SUV by body weight")
    parser.add_argument("--clicks", type=Path, metavar="FILE", help="lesion-clicks.json (default: no clicks)")
    parser.add_argument("--out", type=Path, required=True, metavar="MASK", help="mask to write (.mha)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="report to write (.json)")
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="folder of all reports, which is made: "
        "report.json, lesions.csv and the page report.html")  # fmt: skip
    add_run_options(parser)


def run(arguments: argparse.Namespace, started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.entry import run as process
    from petlesion.options import run_options

    desk = _desk(arguments)
    try:
        options = run_options(arguments, started_s)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return process(options, desk)


def _desk(arguments: argparse.Namespace) -> Desk:
    """Where the case comes from: a DICOM study, or one file each for CT and PET."""
    from petlesion.desk import DicomDesk, FileDesk

    written = (arguments.out, arguments.report, arguments.report_dir)
    if arguments.dicom is not None and arguments.ct is None and arguments.pet is None:
        return DicomDesk(arguments.dicom, arguments.clicks, *written)
    if arguments.dicom is None and arguments.ct is not None and arguments.pet is not None:
        return FileDesk(arguments.ct, arguments.pet, arguments.clicks, *written)
    raise UsageError("a case is either --dicom STUDY, or --ct FILE with --pet FILE; give one of the two")
