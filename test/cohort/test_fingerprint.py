# SPDX-License-Identifier: Apache-2.0
"""What a mask was made of: it follows every byte and option that shapes the mask, and no name or place."""

from __future__ import annotations

import shutil

import pytest

from petlesion.case import CaseError
from petlesion.cohort.cases import CohortCase
from petlesion.cohort.fingerprint import fingerprint_of, method_of
from petlesion.entry import open_store
from petlesion.inference.weights import ModelStore
from test.cohort.conftest import options_of, put_case


def method(weights, *words):
    options = options_of(weights, *words)
    return method_of(options, open_store(options))


@pytest.fixture(scope="module")
def usual(toy_weights):
    return method(toy_weights)


@pytest.mark.parametrize(
    "words",
    [
        ("--depth", "2"),
        ("--folds", "0,1"),
        ("--tracer", "PSMA"),
        ("--tile-step", "0.25"),
        ("--no-body-crop",),
        ("--time-limit", "60"),
        ("--points", "mm"),
        ("--assume-suv",),
        ("--strict",),
    ],
    ids=" ".join,
)
def test_what_shapes_a_mask_counts(usual, toy_weights, words):
    assert method(toy_weights, *words) != usual


def test_where_it_is_made_does_not(usual, toy_weights, tmp_path):
    copy = shutil.copytree(toy_weights, tmp_path / "elsewhere")
    assert method(copy, "--device", "auto") == usual


@pytest.mark.parametrize("name", ["manifest.json", "mesbah/fdg/plans.json"])
def test_other_weights_and_plans_do(usual, toy_weights, tmp_path, name):
    copy = shutil.copytree(toy_weights, tmp_path / "other")
    text = (copy / name).read_text()
    digest = ModelStore.open(copy).entry("mesbah", "fdg").folds[0].sha256
    (copy / name).write_text(
        text.replace(digest, "0" * 64).replace("{", '{"note": "another", ', name != "manifest.json")
    )
    options = options_of(copy)
    assert method_of(options, ModelStore.open(copy)) != usual


def test_another_version_does(usual, toy_weights, monkeypatch):
    monkeypatch.setattr("petlesion.cohort.fingerprint.__version__", "0.0.0")
    assert method(toy_weights) != usual


def test_bytes_count_names_and_places_do_not(tmp_path):
    one = CohortCase("one", sockets=put_case(tmp_path / "one") / "input")
    two = CohortCase("two", sockets=put_case(tmp_path / "two") / "input")
    pet = tmp_path / "two/input/images/pet/8e1c.mha"
    pet.rename(pet.with_name("other.mha"))
    assert fingerprint_of(one, "m") == fingerprint_of(two, "m") != fingerprint_of(one, "n")
    (tmp_path / "two/input/lesion-clicks.json").write_text('{"points": []}')
    assert fingerprint_of(one, "m") != fingerprint_of(two, "m")
    assert fingerprint_of(one, "m") != fingerprint_of(
        CohortCase("three", sockets=put_case(tmp_path / "3", 8.0) / "input"), "m"
    )


def test_ct_and_pet_are_not_exchanged(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    a, b = tmp_path / "a", tmp_path / "b"
    assert fingerprint_of(CohortCase("x", ct=a, pet=b), "m") != fingerprint_of(CohortCase("x", ct=b, pet=a), "m")
    assert fingerprint_of(CohortCase("x", ct=a, pet=b), "m") != fingerprint_of(
        CohortCase("x", ct=a, pet=b, clicks=a), "m"
    )


def test_every_file_of_a_dicom_study_counts(tmp_path):
    (tmp_path / "study/s").mkdir(parents=True)
    (tmp_path / "study/s/1").write_text("1")
    case = CohortCase("x", dicom=tmp_path / "study")
    before = fingerprint_of(case, "m")
    (tmp_path / "study/s/2").write_text("1")
    assert fingerprint_of(case, "m") != before


def test_a_broken_listing_is_the_cases_fault(tmp_path):
    (tmp_path / "inputs.json").write_text("{")
    with pytest.raises(CaseError, match=r"inputs\.json"):
        fingerprint_of(CohortCase("x", sockets=tmp_path), "m")
