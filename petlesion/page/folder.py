# SPDX-License-Identifier: Apache-2.0
"""The reports of a case in a folder: report.json, lesions.csv and report.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from petlesion.drafts import staged
from petlesion.images import OutputError, reason, shown
from petlesion.page.document import document
from petlesion.report_file import write_report
from petlesion.table import lesions_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from petlesion.page.drawings import Drawings

REPORT, TABLE, PAGE = "report.json", "lesions.csv", "report.html"


def write_folder(folder: Path, report: dict[str, Any], drawings: Drawings | None) -> None:
    """Write all reports of a case, each whole or not at all; the folder is made.

    Args:
        folder: Where they go. Former ones are replaced.
        report: As `report.report_of` or `report.fallback_report` makes it; a fallback measures no lesion and gets no
            table.
        drawings: The page's pictures; None where the case could not be read.

    Raises:
        OutputError: When one of them cannot be written.
    """
    write_report(report, folder / REPORT)
    write_pages(folder, report, drawings)


def write_pages(folder: Path, report: Mapping[str, Any], drawings: Drawings | None) -> None:
    """Write what stands beside a report.json: the table and the page. See `write_folder`."""
    if "lesions" in report:
        _write(folder / TABLE, lesions_csv(report))
    _write(folder / PAGE, document(report, drawings))


def _write(path: Path, text: str) -> None:
    try:
        with staged(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the report must be written; {shown(path)} was not: {reason(error)}") from error
