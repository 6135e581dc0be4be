# SPDX-License-Identifier: Apache-2.0
"""Cases listed in a CSV: case, and ct with pet or dicom, and clicks; paths are relative to the CSV's folder.

Commas or semicolons part the columns, UTF-8 with or without a byte order mark; other columns are left alone.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from petlesion.cohort.cases import CohortCase, CohortError, Failure
from petlesion.document import DocumentError, read_bytes
from petlesion.images import reason, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 10_000_000
PATHS = ("ct", "pet", "clicks", "dicom")


def listed_cases(path: Path) -> Iterator[CohortCase | Failure]:
    """The cases of a CSV, a row each.

    Raises:
        CohortError: When the file cannot be read, or lacks the columns.
    """
    text = _text(path)
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    columns = [(name or "").strip().lower() for name in rows.fieldnames or ()]
    if "case" not in columns or not ({"ct", "pet"} <= set(columns) or "dicom" in columns):
        raise CohortError(
            f"a list of cases has the columns case, and ct with pet or dicom; {shown(path)} has "
            f"{', '.join(columns)[:200] or 'none'}; name them in its first line"
        )
    rows.fieldnames = columns
    try:
        for number, row in enumerate(rows, start=2):
            if any(isinstance(value, str) and value.strip() for value in row.values()):
                yield _case(row, number, path.parent)
    except csv.Error as error:
        raise CohortError(f"a list of cases is a CSV; {shown(path)} is none: {error}; export it again") from None


def _case(row: Mapping[str | None, object], number: int, folder: Path) -> CohortCase | Failure:
    given = {key: str(row.get(key) or "").strip() for key in ("case", *PATHS)}
    name = given["case"] or f"row {number}"
    if any("\0" in value for value in given.values()):
        return Failure.of_input(name, f"a path is text; row {number} holds a NUL byte; mend the row")
    paths = {key: folder / given[key] for key in PATHS if given[key]}
    if not given["case"]:
        return Failure.of_input(name, f"a row names its case; row {number} does not; fill the column case")
    if ("dicom" in paths) == ("ct" in paths and "pet" in paths) or ("dicom" in paths and {"ct", "pet"} & paths.keys()):
        return Failure.of_input(
            name,
            f"a case has ct and pet, or dicom; row {number} gives {', '.join(sorted(paths)) or 'none'}; mend the row",
        )
    return CohortCase(name, **paths)


def _text(path: Path) -> str:
    try:
        content = read_bytes(path, MAX_BYTES)
        text = content.decode("utf-8-sig")
    except (OSError, DocumentError, UnicodeDecodeError) as error:
        fault = str(error) if isinstance(error, DocumentError) else f"cannot be read: {reason(error)}"
        raise CohortError(f"a list of cases is a CSV in UTF-8; {shown(path)} {fault}; mend or replace it") from None
    if len(content) > MAX_BYTES:
        raise CohortError(f"a list of cases has at most {MAX_BYTES:,} bytes; {shown(path)} has more; part it in two")
    return text
