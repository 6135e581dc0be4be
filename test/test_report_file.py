# SPDX-License-Identifier: Apache-2.0
"""The report on the disk: JSON whatever it holds, and there whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from petlesion.images import OutputError
from petlesion.report_file import report_at_hand, write_report


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_report_is_json_whatever_it_holds(tmp_path):
    report = {"a": float("nan"), "b": [np.float32(1.5), (np.int64(2), np.inf)], "c": {1: None}, "d": "µ", "e": True}
    write_report(report, tmp_path / "new" / "report.json")
    text = (tmp_path / "new" / "report.json").read_bytes().decode("ascii")
    assert json.loads(text) == {"a": None, "b": [1.5, [2, None]], "c": {"1": None}, "d": "µ", "e": True}
    assert files_in(tmp_path) == ["new/report.json"]


def test_a_report_that_cannot_be_written(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match="the report must be written"):
        write_report({}, tmp_path / "report.json")
    assert files_in(tmp_path) == []


def test_it_comes_into_its_place_after_what_it_belongs_to_or_not_at_all(tmp_path):
    (tmp_path / "report.json").write_text("old")
    with pytest.raises(KeyError), report_at_hand({"a": 1}, tmp_path / "report.json"):
        raise KeyError
    assert (tmp_path / "report.json").read_text() == "old"
    with report_at_hand({"a": 1}, tmp_path / "report.json"):
        assert (tmp_path / "report.json").read_text() == "old"
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}
