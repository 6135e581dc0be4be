# SPDX-License-Identifier: Apache-2.0
"""The files of a case's reports."""

from __future__ import annotations

import csv
import json

import pytest

from petlesion.images import OutputError
from petlesion.page.folder import write_folder
from petlesion.report import fallback_report


def test_three_files_say_the_same(reported, tmp_path):
    write_folder(tmp_path / "new" / "folder", reported.report, reported.drawings)
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["lesions.csv", "report.html", "report.json"]
    assert json.loads((folder / "report.json").read_text()) == reported.report
    with (folder / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["suv_peak"]) for row in rows] == [lesion["suv_peak"] for lesion in reported.report["lesions"]]
    assert [float(row["centroid_mm_z"]) for row in rows] == [
        one["centroid_mm"][2] for one in reported.report["lesions"]
    ]


def test_a_fallback_has_no_table(tmp_path):
    report = fallback_report(case_name="c", recipe_name="mesbah", reason="no time", how="empty mask", warnings=())
    write_folder(tmp_path, report, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_folder_that_cannot_be_made_is_an_output_error(reported, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="must be written"):
        write_folder(tmp_path / "file", reported.report, reported.drawings)
