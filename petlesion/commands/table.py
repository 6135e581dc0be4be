# SPDX-License-Identifier: Apache-2.0
"""`petlesion table`: the lesions of a report as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "print the lesions of a report as a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("report", type=Path, metavar="REPORT", help="report.json of a run")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.table import lesion_table, read_report

    print(lesion_table(read_report(arguments.report)))
    return 0
