# SPDX-License-Identifier: Apache-2.0
"""A CSV of cases: its columns, its rows, and what is said of those that cannot be."""

from __future__ import annotations

import pytest

from petlesion.cohort.cases import CohortCase, CohortError, Failure
from petlesion.cohort.listed import listed_cases


def read(tmp_path, content):
    (tmp_path / "list.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(listed_cases(tmp_path / "list.csv"))


def test_paths_are_relative_to_the_file_or_absolute(tmp_path):
    first, second, third = read(
        tmp_path,
        "case,ct,pet,clicks,dicom,age\na,x/ct.mha,x/pet.mha,,,70\n\nb,,,c.json,study,\nc,/abs/ct.mha,p.mha,,,\n",
    )
    assert first == CohortCase("a", ct=tmp_path / "x/ct.mha", pet=tmp_path / "x/pet.mha")
    assert second == CohortCase("b", dicom=tmp_path / "study", clicks=tmp_path / "c.json")
    assert str(third.ct) == "/abs/ct.mha"


def test_a_spreadsheets_form_is_read_too(tmp_path):
    (case,) = read(tmp_path, b"\xef\xbb\xbf Case ;CT;PET\r\na;1.mha;2.mha\r\n")
    assert (case.name, case.ct.name, case.pet.name) == ("a", "1.mha", "2.mha")


@pytest.mark.parametrize(
    ("row", "name", "said"),
    [
        ("a,1.mha,,,", "a", "row 2 gives ct"),
        ("a,1.mha,2.mha,,study", "a", "row 2 gives ct, dicom, pet"),
        ("a,1.mha,,,study", "a", "row 2 gives ct, dicom"),
        ("a,,,,", "a", "row 2 gives none"),
        (",1.mha,2.mha,,", "row 2", "names its case"),
        ("a,1\0.mha,2.mha,,", "a", "NUL byte"),
    ],
)
def test_a_row_that_is_no_case_is_a_failure(tmp_path, row, name, said):
    failure, case = read(tmp_path, f"case,ct,pet,clicks,dicom\n{row}\nz,1.mha,2.mha,,\n")
    assert isinstance(failure, Failure)
    assert (failure.case, said in failure.sentence) == (name, True), failure.sentence
    assert case.name == "z"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has none"),
        (b"name,ct,pet\n", "has name, ct, pet"),
        (b"case,ct\n", "has case, ct"),
        (b"case,ct,pet\n\xff\n", "cannot be read"),
        (b"case,dicom\n" + b"x" * 10_000_000, "at most 10,000,000 bytes"),
        (b'case,dicom\na,"' + b"x" * 200_000 + b'"\n', "field larger than"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path, content, said):
    with pytest.raises(CohortError, match=said):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CohortError, match="No such file"):
        list(listed_cases(tmp_path / "none.csv"))
