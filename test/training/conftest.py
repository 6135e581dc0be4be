# SPDX-License-Identifier: Apache-2.0
"""The prepared toy data set, made once."""

from __future__ import annotations

from dataclasses import replace

import pytest


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    from test.training.toy import prepare  # noqa: PLC0415 - imports nnU-Net, which other tests do not need

    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def toy_studies(tmp_path_factory):
    from test.training.toy_studies import write_studies  # noqa: PLC0415 - imports torch

    return write_studies(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def ahamed_dataset(tmp_path_factory, toy_studies):
    from test.training.toy_studies import TOY_AHAMED, toy_dataset  # noqa: PLC0415 - imports torch

    return toy_dataset(toy_studies, tmp_path_factory.mktemp("ahamed"), TOY_AHAMED)


@pytest.fixture(scope="session")
def safdari_dataset(tmp_path_factory, toy_studies):
    from test.training.toy_studies import TOY_SAFDARI, toy_dataset  # noqa: PLC0415 - imports torch

    return toy_dataset(toy_studies, tmp_path_factory.mktemp("safdari"), TOY_SAFDARI)


@pytest.fixture(scope="session")
def ahamed_results(tmp_path_factory, ahamed_dataset):
    """The folder of trainings of the small U-Net, fold 0 of which is trained."""
    from test.training.toy_studies import TOY_AHAMED, toy_fold  # noqa: PLC0415 - imports torch

    out = tmp_path_factory.mktemp("ahamed_results")
    toy_fold(ahamed_dataset, out, TOY_AHAMED, "all").train()
    return out


@pytest.fixture(scope="session")
def safdari_results(tmp_path_factory, safdari_dataset):
    """The folder of trainings of the small networks of both stages: masks are made between them."""
    from petlesion.training.monai_masks import make_masks  # noqa: PLC0415 - imports torch
    from test.training.toy_studies import N_FOLDS, TOY_SAFDARI, toy_fold  # noqa: PLC0415 - imports torch

    out = tmp_path_factory.mktemp("safdari_results")
    folds = [toy_fold(safdari_dataset, out, TOY_SAFDARI, "stage1", number) for number in range(N_FOLDS)]
    for fold in folds:
        fold.train()
    make_masks(folds)
    for member in TOY_SAFDARI.stages[1].members:
        replace(toy_fold(safdari_dataset, out, TOY_SAFDARI, member.role), iterations=1).train()
    return out
