# SPDX-License-Identifier: Apache-2.0
"""`petlesion weights`: fetch or import published weights, verify or list a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlesion.commands import fetch
from petlesion.commands.roles import TRACER, check_role
from petlesion.recipes import RECIPES

if TYPE_CHECKING:
    import argparse

    from petlesion.inference.published import Imported
    from petlesion.recipe import Recipe

SUMMARY = "fetch, import, verify or list weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    fetch.add_arguments(verbs.add_parser("fetch", help=fetch.SUMMARY, description=fetch.SUMMARY))
    take = verbs.add_parser("import", help="import a published or trained model folder, or MIP-CNN state dicts")
    take.add_argument(
        "source",
        type=Path,
        metavar="SRC",
        help="folder with plans.json, dataset.json and fold_k, or with .pth files",
    )
    take.add_argument("--recipe", required=True, choices=sorted(RECIPES))
    take.add_argument("--role", required=True, metavar="ROLE", help="a role of the recipe: fdg, psma, tracer, all, ...")
    take.add_argument("--out", type=Path, required=True, metavar="DIR", help="store to write into")
    take.add_argument("--origin", metavar="TEXT", help="where they come from, such as a DOI (default: the name of SRC)")
    take.add_argument("--license", default="unstated", metavar="ID", help="SPDX identifier, kept in the manifest")
    for verb, summary in (
        ("verify", "check every file's hash, keys and shapes"),
        ("list", "list the models of a store"),
    ):
        one = verbs.add_parser(verb, help=summary)
        one.add_argument("store", type=Path, nargs="?", metavar="DIR", help="default: where process.py looks")
        one.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    verbs = {"fetch": fetch.run, "import": _import_weights, "verify": _verify_weights, "list": _list_weights}
    return verbs[arguments.verb](arguments)


def _import_weights(arguments: argparse.Namespace) -> int:
    recipe = RECIPES[arguments.recipe]
    check_role(recipe, arguments.role)
    what: dict[str, Any] = {
        "recipe_name": arguments.recipe,
        "role": arguments.role,
        "out": arguments.out,
        "licence": arguments.license,
        "source": arguments.origin or arguments.source.name,
    }
    imported = _imported(arguments.source, recipe, what)
    entry = imported.entry
    print(f"{entry.name}: {len(entry.folds)} folds into {arguments.out}; licence: {entry.licence}; {entry.source}")
    for note in imported.notes:
        print(f"note: {note}")
    return 0


def _imported(source: Path, recipe: Recipe, what: dict[str, Any]) -> Imported:
    """Import by the kind of the role's network: the tracer's, MONAI's or nnU-Net's."""
    from petlesion.inference.published import import_nnunet_folder

    if what["role"] == TRACER:
        return _import_tracer(source, what)
    stage, member = recipe.placed(what["role"])
    if member.network is not None:
        from petlesion.inference.monai_published import import_monai_folder

        return import_monai_folder(source, member=member, stage=stage, **what)
    return import_nnunet_folder(source, channels=stage.channels, **what)


def _import_tracer(source: Path, what: dict[str, Any]) -> Imported:
    import torch

    from petlesion.inference.published import fold_files, import_state_dicts
    from petlesion.inference.tracer import MipCnn

    with torch.device("meta"):
        return import_state_dicts(fold_files(source), MipCnn(), **what)


def _verify_weights(arguments: argparse.Namespace) -> int:
    from petlesion.inference.networks import check_models
    from petlesion.inference.weights import ModelStore

    store = ModelStore.open(arguments.store)
    n_bytes = store.verify()
    check_models(store)
    found = {"store": str(store.root), "models": len(store.entries), "bytes": n_bytes, "sound": True}
    print(
        json.dumps(found) if arguments.json else f"{store.root}: {found['models']} models, {n_bytes} bytes, all sound"
    )
    return 0


def _list_weights(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from petlesion.inference.weights import ModelStore

    store = ModelStore.open(arguments.store)
    if arguments.json:
        print(json.dumps({"store": str(store.root), "models": [asdict(entry) for entry in store.entries]}, indent=2))
        return 0
    print(store.root)
    for entry in store.entries:
        size_mb = sum(fold.bytes for fold in entry.folds) / 1e6
        print(f"{entry.name}: {len(entry.folds)} folds, {size_mb:.1f} MB, {entry.licence}; {entry.training_data}")
    return 0
