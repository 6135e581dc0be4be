# SPDX-License-Identifier: Apache-2.0
"""What is kept of a case that was run: its fingerprint, its ending, its row of the table, its picture on the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from petlesion.document import DocumentError, read_document
from petlesion.report_file import write_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "petlesion cohort record 1"
MAX_BYTES = 10_000_000
RECORD = "record.json"
COLUMNS = ("case", "tracer", "n_lesions", "tmtv_ml", "tlg", "suv_max", "dmax_mm", "seconds", "warnings")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A case's coronal projection.

    Attributes:
        address: The picture as the `data:` address of a PNG.
        width: Its width in pixels.
        height: Its height in pixels.
    """

    address: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Record:
    """A case's ending.

    Attributes:
        case: Its name.
        fingerprint: What it was made of; "" where that is not known, so that the case runs again.
        status: The exit status of a process that ends with it.
        sentence: What was done, or why not.
        row: Its row in the cohort's table, by `COLUMNS`; empty without a mask.
        thumbnail: Its picture; None without a mask.
    """

    case: str
    fingerprint: str
    status: int
    sentence: str
    row: Mapping[str, Any]
    thumbnail: Thumbnail | None = None

    def write(self, folder: Path) -> None:
        """Write it into a case's folder, whole or not at all; OutputError where that fails."""
        write_report({"format": FORMAT, **asdict(self)}, folder / RECORD)


def read_record(folder: Path) -> Record | None:
    """The record in a case's folder; None where there is none that can be used: the case then runs again."""
    try:
        held = read_document(folder / RECORD, MAX_BYTES)
        if held.pop("format") != FORMAT:
            return None
        picture = held.pop("thumbnail")
        record = Record(**held, thumbnail=None if picture is None else Thumbnail(**picture))
    except (OSError, DocumentError, KeyError, TypeError, AttributeError):
        return None
    return record if _is_whole(record) else None


def row_of(name: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """A case's row in the cohort's table, from its report."""
    lesions, tracer = report["lesions"], report["tracer"]
    warnings = [f"stopped early ({report['stopped']})"] if report["stopped"] else []
    return {
        "case": name,
        "tracer": tracer["name"] if tracer else None,
        "n_lesions": report["n_lesions"],
        "tmtv_ml": report["tmtv_ml"],
        "tlg": report["tlg"],
        "suv_max": max((lesion["suv_max"] for lesion in lesions), default=None),
        "dmax_mm": report["dmax_mm"],
        "seconds": round(sum(report["seconds"].values()), 3),
        "warnings": " | ".join([*warnings, *report["warnings"]]),
    }


def _is_whole(record: Record) -> bool:
    """Whether a record's values are of their kinds: a file may have been changed by hand."""
    texts = isinstance(record.fingerprint, str) and isinstance(record.sentence, str) and isinstance(record.case, str)
    numbers = isinstance(record.status, int) and isinstance(record.row, dict)
    if not (texts and numbers):
        return False
    if record.status:
        return True
    picture = record.thumbnail
    drawn = picture is None or (
        isinstance(picture.address, str)
        and picture.address.startswith("data:image/png;base64,")
        and isinstance(picture.width, int)
        and isinstance(picture.height, int)
    )
    return drawn and set(COLUMNS) == record.row.keys()
