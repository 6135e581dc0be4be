# SPDX-License-Identifier: Apache-2.0
"""Masks of a first stage for the training of a second one: each case by the fold that left it out.

A network is better on the cases that it was trained on. A second stage that learned from such masks would trust them
more than they deserve on a new case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from petlesion.digest import file_sha256
from petlesion.drafts import staged
from petlesion.training.layouts import DataError
from petlesion.training.monai_case import mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from petlesion.recipe import Recipe, Stage
    from petlesion.training.monai_fold import MonaiFold


def make_masks(folds: Sequence[MonaiFold]) -> list[str]:
    """Write the masks that the next stage is trained with; those that the same weights have made are kept.

    Healthy cases have none where the next stage does not train on them.

    Args:
        folds: The first stage's trainings, all folds of the data set.

    Returns:
        The cases whose masks were made now.

    Raises:
        DataError: When no stage sees the mask of these networks, folds are missing, or one was not trained.
    """
    following = _following(folds[0].recipe, folds[0].stage)
    if [one.fold for one in folds] != list(range(len(folds[0].dataset.folds))):
        raise DataError(f"each case is segmented by the fold that left it out, so all folds are needed; got "
                        f"{[one.fold for one in folds]}")  # fmt: skip
    healthy = any(member.training is None or member.training.with_healthy for member in following.members)
    for one in folds:
        one.load()  # before the first mask is made
    return [name for one in folds for name in _of_fold(one, following, with_healthy=healthy)]


def _of_fold(fold: MonaiFold, following: Stage, *, with_healthy: bool) -> Iterator[str]:
    network, digest, dataset = fold.load(), file_sha256(fold.weights), fold.dataset
    for name in dataset.folds[fold.fold]["val"]:
        path = dataset.mask_path(name)
        if (not with_healthy and dataset.is_healthy(name)) or _is_made(path, digest):
            continue
        lead = fold.predict_case(network, name)
        mask = dataset.case(name).bring_back(lead, fold.stage, following)
        with staged(path) as draft:
            np.savez(draft, mask=mask, fold=np.array([fold.fold]), weights=np.array([digest]))
        yield name


def maker_of(path: Path) -> tuple[int, str]:
    """The fold that made a mask, and the SHA-256 of its weights."""
    return int(mapped(path, "fold")[0]), str(mapped(path, "weights")[0])


def _is_made(path: Path, digest: str) -> bool:
    return path.is_file() and maker_of(path)[1] == digest


def _following(recipe: Recipe, stage: Stage) -> Stage:
    """The stage that sees the mask of another."""
    later = recipe.stages[recipe.stages.index(stage) + 1 :]
    if not later or "mask" not in later[0].channels:
        raise DataError(f"masks are made for a stage that follows; after that of {stage.members[0].role} in "
                        f"{recipe.name} there is none")  # fmt: skip
    return later[0]
