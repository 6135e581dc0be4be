# SPDX-License-Identifier: Apache-2.0
"""`petlesion weights`: fetch or import published weights, verify or list a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlesion.commands import fetch
from petlesion.recipes import RECIPES

if TYPE_CHECKING:
    import argparse

SUMMARY = "fetch, import, verify or list weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    fetch.add_arguments(verbs.add_parser("fetch", help=fetch.SUMMARY, description=fetch.SUMMARY))
    take = verbs.add_parser("import", help="import a published nnU-Net folder or MIP-CNN state dicts")
    take.add_argument(
        "source",
        type=Path,
        metavar="SRC",
        help="folder with plans.json, dataset.json and fold_k, or with .pth files",
    )
    take.add_argument("--recipe", required=True, choices=sorted(RECIPES))
    take.add_argument("--role", required=True, choices=("tracer", "fdg", "psma"))
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
    import torch

    from petlesion.inference.published import fold_files, import_nnunet_folder, import_state_dicts
    from petlesion.inference.tracer import MipCnn

    what: dict[str, Any] = {
        "recipe_name": arguments.recipe,
        "role": arguments.role,
        "out": arguments.out,
        "licence": arguments.license,
        "source": arguments.origin or arguments.source.name,
    }
    if arguments.role == "tracer":
        with torch.device("meta"):
            imported = import_state_dicts(fold_files(arguments.source), MipCnn(), **what)
    else:
        channels = RECIPES[arguments.recipe].stages[0].channels
        imported = import_nnunet_folder(arguments.source, channels=channels, **what)
    entry = imported.entry
    print(f"{entry.name}: {len(entry.folds)} folds into {arguments.out}; licence: {entry.licence}; {entry.source}")
    for note in imported.notes:
        print(f"note: {note}")
    return 0


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
