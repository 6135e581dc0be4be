# SPDX-License-Identifier: Apache-2.0
"""Names of cases: what can be a folder, a link and a cell; each once."""

from __future__ import annotations

import pytest

from petlesion.cohort.cases import CohortCase, CohortError, Failure, Found, is_name


@pytest.mark.parametrize("name", ["a", "Patient 1", "sub-01_ses-2", "Ärztin", "0", "a" * 120, "a.b"])
def test_names(name):
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".a",
        "=1+1",
        "-a",
        "+a",
        "@a",
        "a/b",
        "a\\b",
        "a\nb",
        "a" * 121,
        "..",
        "a.",
        "a ",
        "index.html",
        "Cohort.CSV",
    ],
)
def test_what_is_no_name_is_a_failure_that_says_so(name, tmp_path):
    found = Found.of([CohortCase(name, sockets=tmp_path)])
    assert (found.cases, len(found.failures)) == ((), 1)
    assert "is no such name" in found.failures[0].sentence
    assert found.failures[0].status == 3


def test_of_a_name_that_is_there_twice_none_is_run(tmp_path):
    found = Found.of(
        [CohortCase("a", sockets=tmp_path), CohortCase("a", dicom=tmp_path), CohortCase("b", dicom=tmp_path)]
    )
    assert [case.name for case in found.cases] == ["b"]
    assert [one.sentence for one in found.failures] == ["each case is there once; 2 are named a; rename all but one"]


def test_a_name_stands_among_the_cases_or_the_failures_not_in_both(tmp_path):
    found = Found.of([CohortCase("a", dicom=tmp_path), Failure.of_input("a", "why")])
    assert found.cases == ()
    assert [one.case for one in found.failures] == ["a"]


def test_a_case_lies_in_one_place(tmp_path):
    for names in ((), ("ct",), ("sockets", "dicom"), ("dicom", "pet")):
        with pytest.raises(CohortError, match="one of the three"):
            CohortCase("a", **dict.fromkeys(names, tmp_path))
