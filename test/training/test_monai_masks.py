# SPDX-License-Identifier: Apache-2.0
"""Masks for a second stage: each case by the fold that left it out."""

import numpy as np
import pytest

from petlesion.training.layouts import DataError
from petlesion.training.monai_masks import make_masks, maker_of
from test.training.toy_studies import N_FOLDS, TOY_AHAMED, TOY_SAFDARI, toy_fold


def first_stage(dataset, results):
    return [toy_fold(dataset, results, TOY_SAFDARI, "stage1", number) for number in range(N_FOLDS)]


def test_each_mask_was_made_by_the_fold_that_left_the_case_out(safdari_dataset, safdari_results):
    assert safdari_results.is_dir()
    made = {path.stem: maker_of(path)[0] for path in (safdari_dataset.root / "masks").iterdir()}
    left_out = {name: fold for fold in range(N_FOLDS) for name in safdari_dataset.folds[fold]["val"]}
    assert made == {name: fold for name, fold in left_out.items() if name != "psma_dot_1"}
    trained_on = {name: safdari_dataset.cases_of(fold)["train"] for name, fold in made.items()}
    assert not any(name in names for name, names in trained_on.items())


def test_masks_lie_on_the_grid_of_the_case(safdari_dataset, safdari_results):
    assert safdari_results.is_dir()
    mask = safdari_dataset.mask("fdg_bob_1")
    assert mask.shape == safdari_dataset.case("fdg_bob_1").truth.shape
    assert set(np.unique(mask)) <= {0, 1}


def test_an_answer_comes_back_as_inference_would_hand_it_on(safdari_dataset):
    case = safdari_dataset.case("fdg_bob_1")
    first, second = TOY_SAFDARI.stages
    truth = np.asarray(case.truth)
    back = case.bring_back(truth.astype(np.float32) - 0.5, first, second)
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.8  # rounded by two changes of grid
    assert not case.bring_back(np.full(truth.shape, -0.5, np.float32), first, second).any()


def test_masks_of_the_same_weights_are_kept(safdari_dataset, safdari_results):
    assert make_masks(first_stage(safdari_dataset, safdari_results)) == []
    safdari_dataset.mask_path("fdg_bob_1").unlink()
    with pytest.raises(DataError, match=r"that of fdg_bob_1 is missing .*--masks"):
        safdari_dataset.mask("fdg_bob_1")
    assert make_masks(first_stage(safdari_dataset, safdari_results)) == ["fdg_bob_1"]


def test_what_cannot_be_is_named(tmp_path, ahamed_dataset, safdari_dataset):
    with pytest.raises(DataError, match="all folds are needed"):
        make_masks(first_stage(safdari_dataset, tmp_path)[:1])
    with pytest.raises(DataError, match="was not trained"):
        make_masks(first_stage(safdari_dataset, tmp_path))
    with pytest.raises(DataError, match="there is none"):
        make_masks([toy_fold(ahamed_dataset, tmp_path, TOY_AHAMED, "all")])
