# SPDX-License-Identifier: Apache-2.0
"""The library as a user imports it: two verbs, their values, and what stands behind neither of them."""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import petlesion
from petlesion import (
    CaseError,
    Clicks,
    DicomWishes,
    Limits,
    ReadOptions,
    Tracer,
    UsageError,
    WeightsError,
    read_case,
    segment,
    write_mask,
    write_reports,
)
from petlesion.images import read_image
from petlesion.inference.tile_memory import MemoryTiles
from petlesion.recipes import MESBAH
from test.dicom.objects import ct_series, pet_series, phantom_study
from test.test_architecture import NEVER_FOR_A_CASE, modules_after

ONE = Limits(device="cpu", depth=1, folds=(0,))


@pytest.fixture
def files(toy_case):
    return [str(next((toy_case.input_dir / "images" / kind).iterdir())) for kind in ("ct", "pet")]


@pytest.fixture(scope="module")
def study(toy_case, tmp_path_factory):
    return phantom_study(tmp_path_factory.mktemp("study"), toy_case.phantom)


def test_every_public_name_is_there_and_nothing_else_is():
    assert set(petlesion.__all__) <= set(dir(petlesion))
    assert all(getattr(petlesion, name).__doc__ for name in petlesion.__all__)
    assert {name for names in petlesion._HOMES.values() for name in names} | {"__version__"} == set(petlesion.__all__)
    with pytest.raises(AttributeError, match="no attribute 'utils'"):
        petlesion.utils  # noqa: B018


def test_the_package_costs_nothing_and_reading_needs_no_torch():
    assert modules_after("import petlesion") & {"torch", "numpy", "scipy", "SimpleITK"} == set()
    assert modules_after("from petlesion import read_case, write_mask") & ({"torch"} | NEVER_FOR_A_CASE) == set()


def test_a_case_of_files_is_what_the_command_line_reads(files, toy_case, tmp_path):
    (tmp_path / "clicks.json").write_text('{"tumor": [[30, 30, 40]], "background": []}')
    case = read_case(*files, clicks=tmp_path / "clicks.json")
    assert case.clicks == Clicks(((30, 30, 40),))
    assert case.name == Path(files[0]).stem
    assert np.array_equal(case.pet_suv.array_zyx, toy_case.phantom.pet_suv.array_zyx)
    assert case.ct_hu.array_zyx.shape == case.grid.shape_zyx == (80, 60, 60)
    assert read_case(*files, name="patient-7").name == "patient-7"


def test_clicks_that_are_given_are_put_on_the_grid_and_what_is_dropped_is_told(files, caplog):
    with caplog.at_level(logging.WARNING):
        case = read_case(*files, clicks=Clicks(((1, 2, 3), (999, 0, 0)), ((4, 5, 6),)))
    assert case.clicks == Clicks(((1, 2, 3),), ((4, 5, 6),))
    assert len(case.warnings) == 1
    assert case.warnings[0] in caplog.text


def test_a_study_is_read_by_its_folder_and_keeps_its_origin(study):
    case = read_case(study)
    assert (case.name, case.recorded_tracer) == ("case", Tracer.FDG)
    assert case.origin["suv_rule"].startswith("Bq/ml")


def test_what_a_header_lacks_is_given_as_an_option(tmp_path):
    pet_series(tmp_path, PatientWeight=None)
    ct_series(tmp_path)
    with pytest.raises(CaseError, match="weight-kg"):
        read_case(tmp_path)
    case = read_case(tmp_path, options=ReadOptions(dicom=DicomWishes(weight_kg=80)))
    assert "(by --weight-kg)" in case.origin["suv_rule"]


@pytest.mark.parametrize("name", ["a.nii.gz", "gone"])
def test_one_file_is_no_case(tmp_path, name):
    with pytest.raises(CaseError, match=r"CT file with a PET file, or the folder of a DICOM study.*give the PET too"):
        read_case(tmp_path / name)


def test_a_mask_and_its_reports(study, toy_weights, toy_store, tmp_path):
    case = read_case(study, clicks=Clicks(((30, 30, 40),)))
    result = segment(case, toy_weights, limits=replace(ONE, tracer=Tracer.PSMA))
    write_mask(result.mask, str(tmp_path / "new" / "mask.nii.gz"))
    write_reports(result, case, str(tmp_path / "reports"))
    assert np.array_equal(read_image(tmp_path / "new" / "mask.nii.gz").array_zyx, result.mask.array_zyx)
    assert result.mask.array_zyx.any()
    report = json.loads((tmp_path / "reports/report.json").read_text())
    assert (report["case"], report["recipe"], report["n_lesions"]) == ("case", "mesbah", len(result.lesions))
    assert report["dicom"] == case.origin
    assert report["warnings"] == ["the header names FDG as tracer, --tracer PSMA: PSMA is taken"]
    with (tmp_path / "reports/lesions.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == len(result.lesions)
    assert "<html" in (tmp_path / "reports/report.html").read_text()
    again = segment(case, toy_store, recipe=MESBAH, limits=replace(ONE, tracer=Tracer.PSMA))
    assert np.array_equal(again.mask.array_zyx, result.mask.array_zyx)


def test_the_weights_that_are_found_by_themselves_are_the_entrys(files, toy_store, monkeypatch):
    asked = []

    def opened(path):
        asked.append(path)
        return toy_store

    monkeypatch.setattr("petlesion.inference.weights.ModelStore.open", opened)
    assert segment(read_case(*files), limits=ONE).lesions
    assert asked == [None]


def test_a_memory_spares_the_tiles_of_a_call_before(files, toy_store):
    memory, case = MemoryTiles(), read_case(*files)
    first, again = (segment(case, toy_store, limits=ONE, memory=memory) for _ in range(2))
    assert (first.stages[0].tiles.reused, again.stages[0].tiles.computed) == (0, 0)
    assert np.array_equal(again.mask.array_zyx, first.mask.array_zyx)


def test_weights_and_recipes_that_do_not_fit_are_refused_before_any_work(files, toy_weights, tmp_path):
    case = read_case(*files)
    with pytest.raises(UsageError, match="one of mesbah, lesion_tracer"):
        segment(case, toy_weights, recipe="nobody")
    with pytest.raises(WeightsError, match="not lesion_tracer/all"):
        segment(case, toy_weights, recipe="lesion_tracer")
    with pytest.raises(WeightsError, match="need a manifest"):
        segment(case, tmp_path)
