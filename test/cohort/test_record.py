# SPDX-License-Identifier: Apache-2.0
"""The record of a case: read back as written, and not taken where it is anything else."""

from __future__ import annotations

import json

import pytest

from petlesion.cohort.record import COLUMNS, RECORD, Record, Thumbnail, read_record, row_of

PICTURE = Thumbnail("data:image/png;base64,AA==", 2, 3)
DONE = Record("a", "f" * 64, 0, "done", dict.fromkeys(COLUMNS, 1), PICTURE)
FAILED = Record("a", "f" * 64, 3, "why", {})


@pytest.mark.parametrize("record", [DONE, FAILED], ids=["done", "failed"])
def test_it_is_read_as_it_was_written(tmp_path, record):
    record.write(tmp_path)
    assert read_record(tmp_path) == record


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"status": "0"},
        {"fingerprint": None},
        {"row": {"case": "a"}},
        {"row": None},
        {"thumbnail": {"address": "javascript:alert(1)", "width": 2, "height": 3}},
        {"thumbnail": {"address": "data:image/png;base64,", "width": "2", "height": 3}},
        {"thumbnail": {}},
        {"more": 1},
    ],
    ids=str,
)
def test_one_that_was_changed_is_none(tmp_path, change):
    DONE.write(tmp_path)
    (tmp_path / RECORD).write_text(json.dumps(json.loads((tmp_path / RECORD).read_text()) | change))
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"format": 1, "format": 2}'])
def test_what_is_no_record_is_none(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    assert read_record(tmp_path) is None
    assert read_record(tmp_path / "none") is None


def test_a_row_is_of_the_report():
    lesions = [{"suv_max": 4.0}, {"suv_max": 9.5}]
    report = {
        "lesions": lesions,
        "tracer": {"name": "PSMA"},
        "stopped": "time",
        "warnings": ["one", "two"],
        "n_lesions": 2,
        "tmtv_ml": 3.5,
        "tlg": 7.0,
        "dmax_mm": 12.0,
        "seconds": {"sweeps": 1.25, "restore": 0.5},
    }
    row = row_of("a", report)
    assert tuple(row) == COLUMNS
    assert tuple(row.values()) == ("a", "PSMA", 2, 3.5, 7.0, 9.5, 12.0, 1.75, "stopped early (time) | one | two")
    empty = row_of("a", report | {"lesions": [], "tracer": None, "n_lesions": 0, "dmax_mm": None, "stopped": ""})
    assert (empty["suv_max"], empty["tracer"], empty["warnings"]) == (None, None, "one | two")
