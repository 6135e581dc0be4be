# SPDX-License-Identifier: Apache-2.0
"""A report's lesions as a table: plain text for people at a terminal, CSV for their programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CSV_FIGURES = ("number", "n_voxels", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "longest_diameter_mm")
CSV_POINTS = ("centroid_mm", "centroid_xyz")
HEADINGS = ("lesion", "ml", "SUVmax", "SUVmean", "SUVpeak", "TLG", "centre x, y, z (mm)")


def lesion_table(report: Mapping[str, Any]) -> str:
    """The lesions of a report (see `report.report_of`), one a line in its order, with their sums below.

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
