# SPDX-License-Identifier: Apache-2.0
"""`petlesion prepare` and `petlesion train` for the recipes whose networks are MONAI's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from petlesion.commands.roles import check_role
from petlesion.limits import UsageError

if TYPE_CHECKING:
    import argparse

    from petlesion.recipe import Recipe
    from petlesion.training.monai_fold import MonaiFold

NNUNET_ONLY = ("pretrained", "validation_iterations", "checkpoint_activations", "no_validation", "synthetic")
SAVE_EVERY = 10


def prepare(arguments: argparse.Namespace, recipe: Recipe) -> int:
    """Make a data set of a folder of studies; the exit status."""
    from petlesion.training.layouts import find_studies
    from petlesion.training.monai_dataset import prepare_monai_dataset
    from petlesion.training.splits import read_patients

    studies = find_studies(arguments.data)
    dataset = prepare_monai_dataset(
        studies,
        arguments.out / recipe.name,
        recipe,
        patients=read_patients(arguments.patients) if arguments.patients else {},
        n_folds=arguments.folds,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    n_patients, n_healthy = len(set(dataset.patients.values())), sum(map(dataset.is_healthy, dataset.patients))
    print(
        f"{len(studies)} studies of {n_patients} patients in {arguments.folds} folds, {n_healthy} of them without "
        f"lesions: {dataset.root}"
    )
    return 0


def train(arguments: argparse.Namespace, recipe: Recipe) -> int:
    """Train a fold of a member, or with --masks let all folds of a first stage make masks; the exit status."""
    from petlesion.training.savepoint import SavepointError

    check_role(recipe, arguments.role)
    refused = [name for name in NNUNET_ONLY if getattr(arguments, name, None)]
    if refused or (getattr(arguments, "processes", None) or 1) > 1:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in refused or ["processes"])
        raise UsageError(f"{options} serve other trainings than those of {recipe.name}; leave them out")
    if getattr(arguments, "masks", False):
        return _make_masks(arguments, recipe)
    if arguments.fold is None:
        raise UsageError("one fold is trained at a time; give --fold")
    fold = _fold(arguments, recipe, arguments.fold)
    if fold.savepoint.is_file() and not arguments.resume:
        raise UsageError(f"{fold.savepoint} is there: give --resume to go on from it, or move it to begin anew")
    try:
        curve = fold.train()
    except SavepointError as error:
        raise UsageError(str(error)) from error
    best = max(row.dice for row in curve.rows if row.dice is not None)
    print(f"{fold.weights}: validation Dice {best:.4f} at the best of {len(curve.rows)} epochs")
    return 0


def _make_masks(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from petlesion.training.monai_masks import make_masks

    first = _fold(arguments, recipe, 0)
    folds = [replace(first, fold=number) for number in range(len(first.dataset.folds))]
    made = make_masks(folds)
    print(f"{len(made)} masks made, each by the fold that left the case out: {first.dataset.root / 'masks'}")
    return 0


def _fold(arguments: argparse.Namespace, recipe: Recipe, number: int) -> MonaiFold:
    import torch

    from petlesion.training.device import training_device
    from petlesion.training.monai_dataset import MonaiDataset
    from petlesion.training.monai_fold import MonaiFold

    if arguments.data is None:
        raise UsageError(f"{recipe.name} is trained on studies; give --data, what petlesion prepare wrote")
    small = _with_settings(recipe, arguments)
    return MonaiFold(
        small,
        arguments.role,
        number,
        MonaiDataset.open(arguments.data / recipe.name, small),
        arguments.out,
        seed=arguments.seed,
        device=torch.device(training_device(arguments.device)),
        iterations=arguments.iterations,
        save_every=arguments.save_every or SAVE_EVERY,
        workers=arguments.workers or 0,
    )


def _with_settings(recipe: Recipe, arguments: argparse.Namespace) -> Recipe:
    """The recipe with the member's epochs, rate and validations as the options say."""
    given = {
        "epochs": arguments.epochs,
        "rate": arguments.initial_rate,
        "validate_every": getattr(arguments, "validate_every", None),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if any(value <= 0 for value in (*changes.values(), arguments.iterations or 1, arguments.save_every or 1)):
        raise UsageError("epochs, iterations, their distances and the rate are positive; mend the options")
    stages = tuple(
        replace(
            stage,
            members=tuple(
                replace(member, training=replace(member.training, **changes))
                if member.role == arguments.role and member.training
                else member
                for member in stage.members
            ),
        )
        for stage in recipe.stages
    )
    return replace(recipe, stages=stages)
