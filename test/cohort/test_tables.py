# SPDX-License-Identifier: Apache-2.0
"""The two tables, as their readers see them."""

from __future__ import annotations

from petlesion.cohort.cases import Failure
from petlesion.cohort.record import COLUMNS, Record
from petlesion.cohort.tables import cohort_csv, failures_csv


def test_cases_stand_by_name_and_what_is_undefined_is_empty():
    values = {
        "b": ("b", "FDG", 2, 3.5, 7.0, 9.5, 12.0, 1.75, "a, b"),
        "a": ("a", None, 0, 0.0, 0.0, None, None, 1.0, ""),
    }
    records = [Record(name, "", 0, "", dict(zip(COLUMNS, of, strict=True))) for name, of in values.items()]
    assert cohort_csv(records).splitlines() == [
        "case,tracer,n_lesions,tmtv_ml,tlg,suv_max,dmax_mm,seconds,warnings",
        "a,,0,0.0,0.0,,,1.0,",
        'b,FDG,2,3.5,7.0,9.5,12.0,1.75,"a, b"',
    ]


def test_failures_stand_by_name():
    assert failures_csv([Failure("b", 3, "one"), Failure("a", 5, 'say "no"')]) == (
        'case,status,sentence\na,5,"say ""no"""\nb,3,one\n'
    )
