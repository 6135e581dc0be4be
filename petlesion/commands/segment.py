# SPDX-License-Identifier: Apache-2.0
"""`petlesion segment`: one case given as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

from petlesion.limits import UsageError

SUMMARY = "segment one case given as files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from petlesion.options import add_run_options

    parser.add_argument("--ct", type=Path, required=True, metavar="FILE", help="CT in Hounsfield units (.mha, .nii.gz)")
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV by body weight")
    parser.add_argument("--clicks", type=Path, metavar="FILE", help="lesion-clicks.json (default: no clicks)")
    parser.add_argument("--out", type=Path, required=True, metavar="MASK", help="mask to write (.mha)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="report to write (.json)")
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="folder of all reports, which is made: "
        "report.json, lesions.csv and the page report.html")  # fmt: skip
    add_run_options(parser)


def run(arguments: argparse.Namespace, started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.desk import FileDesk
    from petlesion.entry import run as process
    from petlesion.options import run_options

    desk = FileDesk(
        arguments.ct, arguments.pet, arguments.clicks, arguments.out, arguments.report, arguments.report_dir
    )
    try:
        options = run_options(arguments, started_s)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return process(options, desk)
