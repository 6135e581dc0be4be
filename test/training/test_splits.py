# SPDX-License-Identifier: Apache-2.0
"""Folds: no patient is on both sides, and every case is left out once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.training.layouts import DataError
from petlesion.training.splits import patient_of, read_patients, split_by_patient

COHORTS = st.dictionaries(st.integers(0, 99).map(str), st.sampled_from("abcdefgh"), min_size=2, max_size=40)


@given(COHORTS, st.integers(2, 5), st.integers(0, 9))
def test_patients_are_disjoint_and_each_case_is_left_out_once(patients, n_folds, seed):
    if len(set(patients.values())) < n_folds:
        with pytest.raises(DataError, match="as many patients as folds"):
            split_by_patient(patients, n_folds, seed)
        return
    splits = split_by_patient(patients, n_folds, seed)
    assert len(splits) == n_folds
    for split in splits:
        assert not {patients[case] for case in split["train"]} & {patients[case] for case in split["val"]}
        assert sorted(split["train"] + split["val"]) == sorted(patients)
        assert split["val"]
    assert sorted(case for split in splits for case in split["val"]) == sorted(patients)


def test_folds_of_single_studies_are_of_one_size():
    sizes = [len(split["val"]) for split in split_by_patient({str(i): str(i) for i in range(13)}, 5, 0)]
    assert sorted(sizes) == [2, 2, 3, 3, 3]


def test_the_seed_decides():
    cohort = {str(i): str(i) for i in range(20)}
    assert split_by_patient(cohort, 5, 1) == split_by_patient(cohort, 5, 1)
    assert split_by_patient(cohort, 5, 1) != split_by_patient(cohort, 5, 2)


def test_autopets_names_say_the_patient():
    assert patient_of("fdg_0011f3deaf_03-23-2003", {}) == "0011f3deaf"
    assert patient_of("psma_95b833d65be26f28_2018-04-30", {}) == patient_of("psma_95b833d65be26f28_2019-01-01", {})
    assert patient_of("STS_001", {}) == "STS_001"
    assert patient_of("fdg_0011f3deaf_03-23-2003", {"fdg_0011f3deaf_03-23-2003": "Jane"}) == "Jane"


@pytest.mark.parametrize("name", ["patients.csv", "patients.json"])
def test_patients_from_a_file(tmp_path, name):
    text = "case,patient\na,1\nb,1\n" if name.endswith("csv") else json.dumps({"a": 1, "b": 1})
    (tmp_path / name).write_text(text)
    assert read_patients(tmp_path / name) == {"a": "1", "b": "1"}


@pytest.mark.parametrize(("name", "text"), [("a.csv", "study;patient\n"), ("a.csv", "x,y\n1,2\n"), ("a.json", "[1]")])
def test_another_file_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    if text == "study;patient\n":
        assert read_patients(tmp_path / name) == {}
        return
    with pytest.raises(DataError, match="columns case and patient"):
        read_patients(tmp_path / name)
