# SPDX-License-Identifier: Apache-2.0
"""The cohort in two tables: cohort.csv of the cases with a mask, failures.csv of those without."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple
from typing import TYPE_CHECKING

from petlesion.cohort.record import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from petlesion.cohort.cases import Failure
    from petlesion.cohort.record import Record

FAILURE_COLUMNS = ("case", "status", "sentence")


def cohort_csv(records: Iterable[Record]) -> str:
    """A row for each case by name; what is undefined, such as the SUVmax without a lesion, is an empty cell.

    Volumes are in ml, SUV by body weight, TLG in ml, Dmax in mm, the time of the case's steps in seconds.
    """
    return _csv(COLUMNS, ([record.row[name] for name in COLUMNS] for record in _by_name(records)))


def failures_csv(failures: Iterable[Failure]) -> str:
    """A row for each case without a mask: name, exit status, one sentence."""
    return _csv(FAILURE_COLUMNS, (astuple(one) for one in sorted(failures, key=lambda one: one.case)))


def _by_name(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.case)


def _csv(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
