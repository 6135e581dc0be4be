# SPDX-License-Identifier: Apache-2.0
"""A layout like BIDS: a case for each PET of a session, with the CT that belongs to it."""

from __future__ import annotations

from petlesion.cohort.bids import bids_cases, is_bids
from petlesion.cohort.cases import Failure


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(root):
    return {
        one.case if isinstance(one, Failure) else one.name: None if isinstance(one, Failure) else one
        for one in bids_cases(root)
    }


def test_with_and_without_sessions_and_the_ct_in_any_of_its_folders(tmp_path):
    touch(
        tmp_path,
        *("sub-1/pet/sub-1_pet.nii.gz", "sub-1/pet/sub-1_ct.nii.gz", "sub-1/pet/sub-1_clicks.json"),
        *("sub-2/ses-a/pet/sub-2_ses-a_trc-FDG_pet.nii", "sub-2/ses-a/ct/sub-2_ses-a_ct.nii.gz"),
        *("sub-2/ses-b/pet/sub-2_ses-b_pet.nii.gz", "sub-2/ses-b/anat/sub-2_ses-b_ct.nii.gz"),
        "participants.tsv",
    )
    cases = found(tmp_path)
    assert list(cases) == ["sub-1", "sub-2_ses-a_trc-FDG", "sub-2_ses-b"]
    assert cases["sub-1"].clicks == tmp_path / "sub-1/pet/sub-1_clicks.json"
    assert cases["sub-2_ses-a_trc-FDG"].ct == tmp_path / "sub-2/ses-a/ct/sub-2_ses-a_ct.nii.gz"
    assert cases["sub-2_ses-b"].ct.parent.name == "anat"


def test_of_several_cts_that_of_the_entities_or_the_run_is_taken(tmp_path):
    touch(tmp_path, *(f"sub-1/pet/sub-1_{name}.nii.gz" for name in ("run-1_pet", "run-1_ct", "run-2_pet")))
    touch(tmp_path, "sub-1/ct/sub-1_acq-low_run-2_ct.nii.gz")
    assert {name: case.ct.name for name, case in found(tmp_path).items()} == {
        "sub-1_run-1": "sub-1_run-1_ct.nii.gz",
        "sub-1_run-2": "sub-1_acq-low_run-2_ct.nii.gz",
    }


def test_what_lacks_its_pet_or_ct_is_a_failure(tmp_path):
    touch(tmp_path, "sub-1/ct/sub-1_ct.nii.gz", "sub-2/pet/sub-2_pet.nii.gz", "sub-4/pet/sub-4_pet.nii.gz")
    touch(tmp_path, "sub-4/ct/sub-4_acq-a_ct.nii.gz", "sub-4/ct/sub-4_acq-b_ct.nii.gz", "sub-3/ses-a/x.txt")
    assert found(tmp_path) == {"sub-1": None, "sub-2": None, "sub-3_ses-a": None, "sub-4": None}


def test_subjects_make_it_one(tmp_path):
    assert not is_bids(tmp_path)
    touch(tmp_path, "sub-1/x")
    assert is_bids(tmp_path)
