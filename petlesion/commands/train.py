# SPDX-License-Identifier: Apache-2.0
"""`petlesion train`: train the networks of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.commands.roles import ALL, TRACER, check_role
from petlesion.limits import UsageError
from petlesion.recipes import MESBAH, RECIPES

if TYPE_CHECKING:
    import argparse

    from petlesion.recipe import Recipe

SUMMARY = "train the networks of a recipe"
ON_STUDIES = "training on studies (--data)"
SETTINGS = ("epochs", "iterations", "validation_iterations", "initial_rate", "save_every", "checkpoint_activations")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="mesbah")
    parser.add_argument(
        "--role",
        default=ALL,
        metavar="ROLE",
        help="a role of the recipe: fdg, psma and tracer of mesbah, stage1 and others of safdari, else all "
        "(default: %(default)s)",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--synthetic", action="store_true", help="train the recipe's small shipped weights on phantoms")
    source.add_argument(
        "--data", type=Path, metavar="DIR", help="what petlesion prepare wrote; for --role tracer a folder of studies"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same training")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of results; with --synthetic, and for the role tracer, the store to write into",
    )
    _add_options_of_phantoms(parser)
    _add_options_of_studies(parser)


def _add_options_of_phantoms(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "training on phantoms (--synthetic)", "the shipped weights; without a folder, phantoms are drawn freely"
    )
    group.add_argument(
        "--organ-maps", type=Path, metavar="DIR", help="<tracer>_<patient>_<date>.nii.gz to draw phantoms around"
    )
    group.add_argument("--organ-clicks", type=Path, metavar="DIR", help="clicks by the same names: where tumours lay")
    group.add_argument(
        "--studies", type=Path, metavar="DIR", help="real FDG studies: NAME/{CTres,SUV,SEG}.nii.gz, PET in SUV"
    )
    group.add_argument("--start", type=Path, metavar="STORE", help="weights whose fold 0 of each role is trained on")
    group.add_argument(
        "--work", type=Path, metavar="DIR", help="keeps cases, stages and curves: a stopped training goes on from it"
    )


def _add_options_of_studies(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(ON_STUDIES, "full-size networks; docs/training.md says more")
    group.add_argument("--fold", type=int, metavar="K", help="fold to train")
    group.add_argument(
        "--pretrained", type=Path, metavar="CKPT", help="checkpoint to begin with (its heads are left out)"
    )
    group.add_argument("--resume", action="store_true", help="go on from the last checkpoint, where there is one")
    group.add_argument("--epochs", type=int, metavar="N", help="default: the recipe's")
    group.add_argument("--iterations", type=int, metavar="N", help="of an epoch (default: the recipe's)")
    group.add_argument("--validation-iterations", type=int, metavar="N", help="after each epoch (default: 50)")
    group.add_argument("--initial-rate", type=float, metavar="F", help="learning rate (default: the recipe's)")
    group.add_argument(
        "--save-every", type=int, metavar="N", help="epochs between checkpoints (default: 50, of MONAI's networks 10)"
    )
    group.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    group.add_argument("--processes", type=int, default=1, metavar="N", help="GPUs of this machine (default: 1)")
    group.add_argument(
        "--workers", type=int, metavar="N", help="processes that draw samples, 0 for none (default: nnU-Net's choice)"
    )
    group.add_argument(
        "--checkpoint-activations", action="store_true", default=None, help="less memory for a third more time"
    )
    group.add_argument("--no-validation", action="store_true", help="do not segment the left-out cases at the end")
    group.add_argument("--validate-every", type=int, metavar="N", help="epochs between validations of MONAI's networks")
    group.add_argument("--masks", action="store_true", help="a trained first stage makes the masks for the second")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    recipe = RECIPES[arguments.recipe]
    check_role(recipe, arguments.role, ALL)
    if arguments.synthetic:
        return _train_small(arguments, recipe)
    if arguments.role == TRACER:
        return _train_tracer(arguments)
    if recipe.training is None:
        from petlesion.commands import monai

        return monai.train(arguments, recipe)
    return _train_fold(arguments, recipe)


def _train_small(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from petlesion.training.configuration import RealData
    from petlesion.training.small_systems import train_system_weights
    from petlesion.training.synthetic import train_default_weights

    real = RealData(arguments.organ_maps, arguments.organ_clicks, arguments.studies, arguments.start)
    if recipe is not MESBAH:
        if arguments.role != ALL:
            raise UsageError(f"--synthetic trains all ensembles of {recipe.name}; leave --role out")
        train_system_weights(arguments.out, recipe, seed=arguments.seed, real=real, work=arguments.work)
        return 0
    roles = ("tracer", "fdg", "psma") if arguments.role == ALL else (arguments.role,)
    train_default_weights(arguments.out, roles=roles, seed=arguments.seed, real=real, work=arguments.work)
    return 0


def _train_fold(arguments: argparse.Namespace, recipe: Recipe) -> int:
    """Hand over to nnU-Net: this process becomes the training, so that signals and the exit status are its own."""
    import os

    from petlesion.training.device import training_device
    from petlesion.training.fold import FoldTraining
    from petlesion.training.launch import Launch

    roles = [member.role for member in recipe.members()]
    if arguments.role not in roles or arguments.fold is None:
        raise UsageError(f"one fold of one role is trained at a time; give --role {' or '.join(roles)}, and --fold")
    changes = {name: value for name in SETTINGS if (value := getattr(arguments, name)) is not None}
    changes |= {"seed": arguments.seed}
    if arguments.pretrained:
        changes["pretrained"] = str(arguments.pretrained.resolve())
    fold = FoldTraining(
        *(arguments.data.resolve(), arguments.out.resolve(), arguments.role, arguments.fold, arguments.resume, changes),
        recipe=recipe,
    )
    fold.make_ready()
    launch = Launch(
        *(fold.data, fold.results, fold.prepared.name, fold.trainer, fold.plans, fold.fold),
        device=training_device(arguments.device),
        resume=arguments.resume,
        validate=not arguments.no_validation,
        processes=arguments.processes,
        workers=arguments.workers,
    )
    command = launch.command()
    print(f"{fold.folder}", flush=True)
    os.execvp(command[0], command)  # noqa: S606 - no shell


def _train_tracer(arguments: argparse.Namespace) -> int:
    from petlesion.training.tracer_data import train_tracer_on_studies

    work = arguments.work or arguments.out / "work"
    train_tracer_on_studies(arguments.data, arguments.out, work, seed=arguments.seed)
    return 0
