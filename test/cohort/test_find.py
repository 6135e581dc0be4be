# SPDX-License-Identifier: Apache-2.0
"""A cohort's layout, told or recognised."""

from __future__ import annotations

import pytest

from petlesion.cohort.cases import CohortError
from petlesion.cohort.find import LAYOUTS, find_cases, recognised
from petlesion.commands import batch


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(source, layout="auto", **more):
    return [case.name for case in find_cases(source, layout, source / "out", **more).cases]


def test_the_command_offers_every_layout():
    assert batch.LAYOUTS == LAYOUTS


@pytest.mark.parametrize(
    ("files", "layout", "expected"),
    [
        (("imagesTs/b_0000.nii.gz", "imagesTs/b_0001.nii.gz", "imagesTr/a_0001.nii.gz"), "nnunet", ["a", "b"]),
        (("sub-1/pet/sub-1_pet.nii", "sub-1/pet/sub-1_ct.nii"), "bids", ["sub-1"]),
        (("p/CTres.mha", "p/SUV.mha"), "tree", ["p"]),
    ],
)
def test_a_folders_layout_is_recognised(tmp_path, files, layout, expected):
    touch(tmp_path, *files)
    assert (recognised(tmp_path), names(tmp_path)) == (layout, expected)


def test_a_file_is_a_list(tmp_path):
    (tmp_path / "list.txt").write_text("case,dicom\na,b\n")
    assert [case.name for case in find_cases(tmp_path / "list.txt", "auto", tmp_path).cases] == ["a"]


def test_a_layout_that_is_told_is_taken(tmp_path):
    touch(tmp_path, "p/CTres.mha", "p/SUV.mha", "q/ct.mha", "q/pet.mha")
    assert names(tmp_path, "autopet") == ["p"]
    assert names(tmp_path, "dicom") == ["p", "q"]


def test_clicks_lie_in_a_folder_of_their_own(tmp_path):
    touch(tmp_path, "in/a/ct.mha", "in/a/pet.mha", "in/b/ct.mha", "in/b/pet.mha", "in/c/input/x", "clicks/a.json")
    touch(tmp_path, "clicks/c.json")
    found = find_cases(tmp_path / "in", "auto", tmp_path / "out", tmp_path / "clicks").cases
    assert {case.name: case.clicks and case.clicks.name for case in found} == {"a": "a.json", "b": None, "c": None}


def test_where_there_is_nothing_that_is_said(tmp_path):
    with pytest.raises(CohortError, match="holds none"):
        find_cases(tmp_path, "auto", tmp_path / "out")
    with pytest.raises(CohortError, match="is neither"):
        find_cases(tmp_path / "none", "auto", tmp_path / "out")
    with pytest.raises(CohortError, match="is not: "):
        find_cases(tmp_path / "none", "tree", tmp_path / "out")
