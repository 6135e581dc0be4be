# SPDX-License-Identifier: Apache-2.0
"""A tree of folders: what each holds is told by names, and what holds nothing is said."""

from __future__ import annotations

import pytest

from petlesion.cohort.cases import CohortCase, Failure
from petlesion.cohort.tree import autopet_cases, dicom_cases, tree_cases

DICOM = bytes(128) + b"DICM"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(DICOM if name.endswith(".dcm") else b"")


def only(found):
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("a/input/images/ct/x.mha",), {"sockets": "a/input"}),
        (("a/images/pet/x.mha",), {"sockets": "a"}),
        (("a/inputs.json",), {"sockets": "a"}),
        (("a/CTres.nii.gz", "a/SUV.nii.gz", "a/PET.nii.gz"), {"ct": "a/CTres.nii.gz", "pet": "a/SUV.nii.gz"}),
        (("a/CT.nii.gz", "a/pet.mha", "a/mask.nii.gz"), {"ct": "a/CT.nii.gz", "pet": "a/pet.mha"}),
        (("a/x_ct.nii", "a/x-SUV.nii", "a/pet_seg.nii"), {"ct": "a/x_ct.nii", "pet": "a/x-SUV.nii"}),
        (("a/ct.mha", "a/pet.mha", "a/clicks.json"), {"ct": "a/ct.mha", "pet": "a/pet.mha", "clicks": "a/clicks.json"}),
        (("a/1.dcm",), {"dicom": "a"}),
        (("a/CT/s/1.dcm", "a/PET/s/1.dcm"), {"dicom": "a"}),
    ],
)
def test_each_kind_of_case(tmp_path, files, expected):
    touch(tmp_path, *files)
    assert only(tree_cases(tmp_path, tmp_path / "out")) == CohortCase(
        "a", **{key: tmp_path / name for key, name in expected.items()}
    )


def test_cases_further_down_are_named_by_their_way(tmp_path):
    touch(tmp_path, "p1/t0/ct.mha", "p1/t0/pet.mha", "p1/t1/ct.mha", "p1/t1/pet.mha", "p2/s/CTres.mha", "p2/s/SUV.mha")
    assert [case.name for case in tree_cases(tmp_path, tmp_path / "out")] == ["p1_t0", "p1_t1", "p2_s"]
    assert [one.case for one in autopet_cases(tmp_path, tmp_path) if isinstance(one, Failure)] == ["p1"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("a/pet.mha",), "holds 0 and 1"),
        (("a/ct.mha", "a/x_pet.mha", "a/y_pet.mha"), "holds 1 and 2"),
        (("a/notes.txt",), "holds none of them"),
    ],
)
def test_what_cannot_be_a_case_is_a_failure(tmp_path, files, said):
    touch(tmp_path, *files)
    failure = only(tree_cases(tmp_path, tmp_path / "out"))
    assert isinstance(failure, Failure)
    assert (failure.case, failure.status, said in failure.sentence) == ("a", 3, True)


def test_hidden_folders_files_and_the_results_are_no_cases(tmp_path):
    touch(tmp_path, "a/1.dcm", ".b/1.dcm", "c.txt", "out/a/record.json")
    assert [case.name for case in tree_cases(tmp_path, tmp_path / "out")] == ["a"]
    assert [case.dicom.name for case in dicom_cases(tmp_path, tmp_path / "out")] == ["a"]
