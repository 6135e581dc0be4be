# SPDX-License-Identifier: Apache-2.0
"""A report's lesions as a table: plain text for people at a terminal, CSV for their programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from petlesion.case import CaseError
from petlesion.document import DocumentError, parse_document, read_bytes
from petlesion.images import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_BYTES = 10_000_000  # 25,000 lesions; the studies with most have some hundreds
MEASURED = ("volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg")
CSV_FIGURES = ("number", "n_voxels", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "longest_diameter_mm")
CSV_POINTS = ("centroid_mm", "centroid_xyz")
HEADINGS = ("lesion", "ml", "SUVmax", "SUVmean", "SUVpeak", "TLG", "centre x, y, z (mm)")


class ReportError(CaseError):
    """A file that is no report of a run. Its text states rule, offence and remedy."""


def read_report(path: Path) -> dict[str, Any]:
    """The report in a file.

    Raises:
        ReportError: When it cannot be read or is no report.
    """
    try:
        return parse_report(read_bytes(path, MAX_BYTES), shown(path))
    except DocumentError as error:
        raise _refusal(str(error), shown(path)) from None
    except OSError as error:
        raise _refusal(f"cannot be read ({error.strerror})", shown(path)) from None


def parse_report(text: str | bytes, file: str = "this file") -> dict[str, Any]:
    """The report in a report.json, with what `lesion_table` shows of it checked; the rest is as it stands there.

    Args:
        text: The file's content; bytes are UTF-8.
        file: What an error calls it.

    Raises:
        ReportError: When it is no report.
    """
    try:
        report = parse_document(text, MAX_BYTES)
    except DocumentError as error:
        raise _refusal(str(error), file) from None
    if not isinstance(report, dict) or not isinstance(report.get("fallback"), str):
        raise _refusal('is no object with the text "fallback"', file)
    if report["fallback"]:
        return report
    lesions, tracer = report.get("lesions"), report.get("tracer", "")
    tracer = {"name": None} if tracer is None else tracer  # nobody asks for the tracer of a mask that was given
    if not isinstance(tracer, dict) or not isinstance(tracer.get("name", 0), str | None):
        raise _refusal('names no tracer in "tracer"', file)
    if not isinstance(lesions, list) or not all(map(_is_lesion, lesions)):
        raise _refusal('has no list "lesions" of measured lesions', file)
    if not all(_is_number(report.get(key)) for key in ("tmtv_ml", "tlg")):
        raise _refusal('has no sums "tmtv_ml" and "tlg"', file)
    if not isinstance(report.get("notice"), str):
        raise _refusal('has no text "notice"', file)
    return report


def lesion_table(report: Mapping[str, Any]) -> str:
    """The lesions of a report (see `parse_report`), one a line in its order, with their sums below.

    Raises:
        KeyError: When `report` is not such a report.
    """
    if report["fallback"]:
        return f"no lesions were measured: the mask is a fallback ({report['fallback']})"
    rows = [_row(lesion) for lesion in report["lesions"]]
    count = f"{len(rows)} lesion{'' if len(rows) == 1 else 's'}"
    tracer = (report["tracer"] or {}).get("name") or "tracer not asked for"
    sums = f"{count}, total volume {report['tmtv_ml']:.1f} ml, TLG {report['tlg']:.0f} ({tracer})"
    return "\n".join([*(aligned(HEADINGS, rows) if rows else ()), sums, report["notice"]])


def lesions_csv(report: Mapping[str, Any]) -> str:
    """The lesions of a report as CSV with its own keys as the head; a point becomes three columns, x, y and z.

    Raises:
        KeyError: When `report` is not such a report, or a fallback, which measures no lesion.
    """
    points = [f"{point}_{axis}" for point in ("centroid_mm", "centroid_voxel") for axis in "xyz"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_FIGURES, *points])
    for lesion in report["lesions"]:
        writer.writerow([lesion[key] for key in CSV_FIGURES] + [part for key in CSV_POINTS for part in lesion[key]])
    return text.getvalue()


def _row(lesion: Mapping[str, Any]) -> tuple[str, ...]:
    x, y, z = lesion["centroid_mm"]
    suv = (f"{lesion[key]:.1f}" for key in ("suv_max", "suv_mean", "suv_peak"))
    return (
        f"{lesion['number']}",
        f"{lesion['volume_ml']:.2f}",
        *suv,
        f"{lesion['tlg']:.0f}",
        f"{x:.0f}, {y:.0f}, {z:.0f}",
    )


def aligned(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns flush right, two spaces apart, with a rule under the headings."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (headings, rule, *rows)
    ]


def _is_lesion(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("number"), int):
        return False
    centre = value.get("centroid_mm")
    points = isinstance(centre, list) and len(centre) == 3 and all(map(_is_number, centre))
    return points and all(_is_number(value.get(key)) for key in MEASURED)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refusal(fault: str, file: str = "this file") -> ReportError:
    return ReportError(f"a report is the report.json of a finished run; {file} {fault}: give another")
