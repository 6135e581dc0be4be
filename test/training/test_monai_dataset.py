# SPDX-License-Identifier: Apache-2.0
"""Data sets for MONAI's networks: whole, of one recipe, and never done twice."""

from dataclasses import replace

import pytest

from petlesion.recipes import AHAMED, MESBAH
from petlesion.training import monai_dataset
from petlesion.training.layouts import DataError, find_studies
from petlesion.training.monai_dataset import MonaiDataset, prepare_monai_dataset
from test.training.toy_studies import CENTRES, TOY_AHAMED, TOY_SAFDARI


class KilledError(Exception):
    pass


def test_each_case_is_left_out_once_and_no_patient_is_on_both_sides(safdari_dataset):
    dataset = safdari_dataset
    assert dataset.patients == {name: name.split("_")[1] for name in CENTRES}
    assert sorted(name for fold in dataset.folds for name in fold["val"]) == sorted(CENTRES)
    for fold in dataset.folds:
        owners = [{dataset.patients[name] for name in fold[part]} for part in ("train", "val")]
        assert owners[0] & owners[1] == set()


def test_a_run_that_stopped_goes_on(tmp_path, toy_studies, monkeypatch):
    studies, done, prepare = find_studies(toy_studies), [], monai_dataset.prepare_case

    def dying(study, stage):
        done.append(study.name)
        if len(done) == 3:
            raise KilledError
        return prepare(study, stage)

    monkeypatch.setattr(monai_dataset, "prepare_case", dying)
    with pytest.raises(KilledError):
        prepare_monai_dataset(studies, tmp_path, TOY_AHAMED, n_folds=2)
    with pytest.raises(DataError, match=r"3 cases of .* are not prepared yet, fdg_bob_1 the first"):
        MonaiDataset.open(tmp_path, TOY_AHAMED)
    prepare_monai_dataset(studies, tmp_path, TOY_AHAMED, n_folds=2)
    names = sorted(CENTRES)
    assert done == [*names[:3], *names[2:]]


def test_other_studies_or_settings_are_refused(safdari_dataset, toy_studies):
    studies = find_studies(toy_studies)
    with pytest.raises(DataError, match="prepared with others: cases, splits;"):
        prepare_monai_dataset(studies[:-1], safdari_dataset.root, TOY_SAFDARI, n_folds=2)
    with pytest.raises(DataError, match="prepared with others: seed"):
        prepare_monai_dataset(studies, safdari_dataset.root, TOY_SAFDARI, n_folds=2, seed=5)


def test_the_data_set_of_another_recipe_or_grid_is_refused(tmp_path, ahamed_dataset):
    for recipe in (TOY_SAFDARI, AHAMED):
        with pytest.raises(DataError, match=f"prepared for ahamed, not for {recipe.name} and its present grid"):
            MonaiDataset.open(ahamed_dataset.root, recipe)
    with pytest.raises(DataError, match="what petlesion prepare wrote"):
        MonaiDataset.open(tmp_path, TOY_AHAMED)


def test_a_fold_without_lesions_on_one_side_is_refused(ahamed_dataset):
    bare = replace(ahamed_dataset, folds=[{"train": ["fdg_bob_1"], "val": ["psma_dot_1"]}])
    with pytest.raises(DataError, match=r"no case with lesions in \['val'\]"):
        bare.cases_of(0)


def test_networks_of_nnunet_are_not_prepared_so(tmp_path, toy_studies):
    with pytest.raises(DataError, match="those of mesbah are not"):
        prepare_monai_dataset(find_studies(toy_studies), tmp_path, MESBAH, n_folds=2)
