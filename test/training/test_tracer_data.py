# SPDX-License-Identifier: Apache-2.0
"""The tracer networks on studies of one's own."""

from pathlib import Path

import pytest

from petlesion.case import Tracer
from petlesion.inference.weights import ModelStore
from petlesion.training import layouts
from petlesion.training.layouts import DataError
from petlesion.training.loop import Schedule
from petlesion.training.tracer_data import one_of_each_patient, train_tracer_on_studies
from petlesion.training.tracer_folds import PictureTraining
from test.training.toy import write_study

QUICK = PictureTraining(views=2, batch_size=2, start=Schedule(1), fold=Schedule(1))


def study(name, tracer=Tracer.FDG):
    return layouts.Study(name, Path("ct"), Path("pet"), Path("truth"), tracer=tracer)


def test_a_patient_is_there_once():
    studies = [study("fdg_a_2"), study("fdg_b_1"), study("fdg_a_1"), study("psma_c_1", Tracer.PSMA)]
    held = one_of_each_patient(studies, Tracer.FDG, 7, {})
    assert [(one.files.name, one.seed) for one in held] == [("fdg_a_1", 7), ("fdg_b_1", 8)]
    same = one_of_each_patient(studies, Tracer.FDG, 7, {"fdg_b_1": "a"})
    assert [one.files.name for one in same] == ["fdg_a_1"]


def test_a_study_without_a_tracer_is_refused():
    with pytest.raises(DataError, match="mine does not"):
        one_of_each_patient([study("mine", None)], Tracer.FDG, 0, {})


def test_too_few_patients_are_refused(tmp_path):
    write_study(tmp_path / "data" / "fdg_a_1", 1)
    with pytest.raises(DataError, match="2 folds need as many"):
        train_tracer_on_studies(tmp_path / "data", tmp_path / "out", tmp_path / "work", n_folds=2)


def test_from_studies_to_a_store(tmp_path):
    for number, tracer in enumerate((Tracer.FDG, Tracer.FDG, Tracer.PSMA, Tracer.PSMA)):
        write_study(tmp_path / "data" / f"{tracer.lower()}_p{number}_1", number, tracer=tracer)
    train_tracer_on_studies(tmp_path / "data", tmp_path / "out", tmp_path / "work", n_folds=2, config=QUICK)
    entry = ModelStore.open(tmp_path / "out").entry("mesbah", "tracer")
    assert entry.fold_numbers == (0, 1)
    assert not entry.synthetic
