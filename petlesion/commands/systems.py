# SPDX-License-Identifier: Apache-2.0
"""`petlesion systems`: the published systems side by side, and which of them have weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from petlesion.inference.weights import ModelStore
    from petlesion.recipe import Member, Recipe, Stage

SUMMARY = "list the published systems: networks, sizes, channels, weights found or not"
HEADINGS = ("system", "role", "network", "million parameters", "patch", "spacing (mm)", "channels", "weights")

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="store to look in (default: where process.py looks)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with citations and deviations")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.inference.weights import ModelStore, WeightsError
    from petlesion.recipes import RECIPES
    from petlesion.table import aligned

    try:
        store = ModelStore.open(arguments.weights)
    except WeightsError:
        if arguments.weights is not None:
            raise
        store = None
    rows = [
        row_of(recipe, stage, member, store)
        for recipe in RECIPES.values()
        for stage in recipe.stages
        for member in stage.members
    ]
    if arguments.json:
        said = {
            r.name: {"title": r.title, "citation": r.citation, "deviations": r.deviations} for r in RECIPES.values()
        }
        print(json.dumps({"systems": said, "ensembles": rows}, indent=2))
        return 0
    print("\n".join(aligned(HEADINGS, [_cells(row) for row in rows])))
    print("Full-size networks; patch and spacing are (x, y, z) for MONAI's networks, (z, y, x) for nnU-Net's.")
    return 0


def row_of(recipe: Recipe, stage: Stage, member: Member, store: ModelStore | None) -> Row:
    """One ensemble of a system: its full-size network, and the weights that the store has for it."""
    found = [e for e in store.entries if (e.system, e.role) == (recipe.name, member.role)] if store else []
    return {
        "system": recipe.name,
        "role": member.role,
        "tracer": str(member.tracer) if member.tracer else "both",
        **_network(recipe, stage, member),
        "channels": list(stage.channels),
        "weights": [{"folds": len(e.folds), "synthetic": e.synthetic, "licence": e.licence} for e in found],
    }


def _network(recipe: Recipe, stage: Stage, member: Member) -> Row:
    import torch

    from petlesion.inference.networks import count_parameters
    from petlesion.training.full_size import full_size

    with torch.device("meta"):
        found = full_size(recipe, stage, member)
    return {
        "network": type(found.network).__name__,
        "parameters": count_parameters(found.network),
        "patch": list(found.patch),
        "spacing_mm": list(found.spacing_mm),
    }


def _cells(row: Row) -> tuple[str, ...]:
    weights = [f"{one['folds']} folds{', synthetic' if one['synthetic'] else ''}" for one in row["weights"]]
    return (
        *(row["system"], row["role"], row["network"], f"{row['parameters'] / 1e6:.1f}"),
        "x".join(map(str, row["patch"])),
        " x ".join(f"{mm:.3g}" for mm in row["spacing_mm"]),
        ", ".join(row["channels"]),
        weights[0] if weights else "none",
    )
