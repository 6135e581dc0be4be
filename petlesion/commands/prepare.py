# SPDX-License-Identifier: Apache-2.0
"""`petlesion prepare`: a folder of studies becomes a data set to train on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.commands.roles import ALL, TRACER, check_role
from petlesion.limits import UsageError
from petlesion.recipes import RECIPES

if TYPE_CHECKING:
    from petlesion.recipe import Recipe

SUMMARY = "make a data set to train on from a folder of studies"
EPILOG = """layouts of DIR (* is .mha, .nii.gz, .nii or .nrrd; CT in HU, PET in SUV, masks on the PET's grid):
  DIR/<case>/input/... and truth.mha, as `petlesion phantom --out DIR/<case>` writes them
  DIR/imagesTr/<case>_0000.* (CT) and <case>_0001.* (PET), DIR/labelsTr/<case>.*
  DIR/<case>/CTres.*, SUV.* and SEG.*
docs/training.md says more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="mesbah")
    parser.add_argument(
        "--role",
        default=ALL,
        metavar="ROLE",
        help="a role of the recipe: fdg and psma of mesbah take the studies of one tracer (default: all of them)",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of studies")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets the data set, such as nnUNet_preprocessed"
    )
    parser.add_argument("--clicks", type=Path, metavar="DIR", help="folder of click files, <case>.json")
    parser.add_argument("--organs", type=Path, metavar="DIR", help="folder of organ maps, <case>.nii.gz or the like")
    parser.add_argument(
        "--organ-labels",
        metavar="SCHEME",
        help="phantom, totalsegmentator or published, or a JSON file {label: organ} "
        "(default: phantom, with --organs totalsegmentator)",
    )
    parser.add_argument(
        "--patients", type=Path, metavar="FILE", help="JSON {case: patient} or CSV with the columns case and patient"
    )
    parser.add_argument(
        "--folds", type=int, default=5, metavar="N", help="folds, split by patient (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of folds and simulated clicks")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes; each takes a few GB on whole bodies"
    )


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    recipe = RECIPES[arguments.recipe]
    check_role(recipe, arguments.role, ALL)
    if arguments.role == TRACER:
        raise UsageError("petlesion train --role tracer takes a folder of studies as it is; nothing is to be prepared")
    if recipe.training is None:
        from petlesion.commands import monai

        return monai.prepare(arguments, recipe)
    return _prepare_for_nnunet(arguments, recipe)


def _prepare_for_nnunet(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from petlesion.training.dataset import Preparation, prepare_dataset
    from petlesion.training.layouts import find_studies
    from petlesion.training.splits import patient_of, read_patients

    tracer = next((one.tracer for one in recipe.members() if one.role == arguments.role), None)
    studies = find_studies(arguments.data, clicks=arguments.clicks, organs=arguments.organs, tracer=tracer)
    patients = read_patients(arguments.patients) if arguments.patients else {}
    preparation = Preparation(
        recipe=recipe,
        tracer=tracer,
        seed=arguments.seed,
        n_folds=arguments.folds,
        patients=patients,
        organ_labels=arguments.organ_labels or ("totalsegmentator" if arguments.organs else "phantom"),
        workers=arguments.workers,
    )
    folders = prepare_dataset(studies, arguments.out, preparation)
    n_patients = len({patient_of(study.name, patients) for study in studies})
    n_organs = sum(study.organs is not None for study in studies)
    print(
        f"{len(studies)} studies of {n_patients} patients in {arguments.folds} folds, {n_organs} with organ maps: "
        f"{folders.preprocessed}"
    )
    return 0
