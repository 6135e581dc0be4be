# SPDX-License-Identifier: Apache-2.0
"""The command line: `petlesion COMMAND`, the same as `python -m petlesion COMMAND`.

Each command is a pair: what it takes (`_add_*`) and what it does (`_do_*`). Modules are imported where a command needs
them, so that `--help` is there at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.recipes import RECIPES

if TYPE_CHECKING:
    from petlesion.volume import Grid

Add = Callable[[argparse.ArgumentParser], None]
Do = Callable[[argparse.Namespace, float], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (those of `petlesion.entry`)."""
    started_s = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="petlesion", description="Tumour lesions in FDG and PSMA PET/CT. Research use only."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, add, _) in COMMANDS.items():
        add(commands.add_parser(name, help=summary, description=summary))
    arguments = parser.parse_args(argv)
    return COMMANDS[arguments.command][2](arguments, started_s)


# --- segment ----------------------------------------------------------------------------------------------------------


def _add_segment(parser: argparse.ArgumentParser) -> None:
    from petlesion.options import add_run_options

    parser.add_argument("--ct", type=Path, required=True, metavar="FILE", help="CT in Hounsfield units (.mha, .nii.gz)")
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV by body weight")
    parser.add_argument("--clicks", type=Path, metavar="FILE", help="lesion-clicks.json (default: no clicks)")
    parser.add_argument("--out", type=Path, required=True, metavar="MASK", help="mask to write (.mha)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="report to write (.json)")
    add_run_options(parser)


def _do_segment(arguments: argparse.Namespace, started_s: float) -> int:
    from petlesion.desk import FileDesk
    from petlesion.entry import run
    from petlesion.options import run_options

    desk = FileDesk(arguments.ct, arguments.pet, arguments.clicks, arguments.out, arguments.report)
    return run(run_options(arguments, started_s), desk)


# --- phantom ----------------------------------------------------------------------------------------------------------


def _add_phantom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tracer", choices=("FDG", "PSMA"), required=True)
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the same seed gives the same bytes")
    parser.add_argument("--shape", type=_numbers(int), metavar="X,Y,Z", help="voxels (default: a whole body)")
    parser.add_argument("--spacing", type=_numbers(float), metavar="X,Y,Z", help="mm; goes with --shape")
    parser.add_argument(
        "--lesions", type=int, metavar="N", help="number of lesions, 0 for a healthy study (default: drawn)"
    )
    parser.add_argument(
        "--click-count", type=int, default=10, metavar="N", help="clicks of each kind (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets input/, truth.mha and truth.json")


def _do_phantom(arguments: argparse.Namespace, _started_s: float) -> int:
    from petlesion.case import Tracer
    from petlesion.phantom import make_phantom
    from petlesion.phantom_files import write_phantom
    from petlesion.simulate import simulate_clicks

    rng = np.random.default_rng(arguments.seed)
    phantom = make_phantom(Tracer(arguments.tracer), rng, grid=_grid(arguments), n_lesions=arguments.lesions)
    count = arguments.click_count
    clicks = simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=count, n_background=count)
    write_phantom(phantom, arguments.out, clicks)
    print(f"{len(phantom.lesions)} lesions, {sum(one.volume_ml for one in phantom.lesions):.1f} ml: {arguments.out}")
    return 0


def _grid(arguments: argparse.Namespace) -> Grid | None:
    from petlesion.volume import Grid

    if (arguments.shape is None) != (arguments.spacing is None):
        raise SystemExit("petlesion phantom: --shape and --spacing go together")
    return None if arguments.shape is None else Grid(arguments.shape, arguments.spacing)


# --- clicks -----------------------------------------------------------------------------------------------------------


def _add_clicks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--truth", type=Path, required=True, metavar="FILE", help="mask of the lesions")
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV, on the same grid")
    parser.add_argument("--seed", type=int, required=True, metavar="N")
    parser.add_argument("--steps", action="store_true", help="write step_0.json to step_10.json into the folder OUT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE|DIR")


def _do_clicks(arguments: argparse.Namespace, _started_s: float) -> int:
    from petlesion.clicks import clicks_to_json
    from petlesion.images import read_image
    from petlesion.simulate import click_steps, simulate_clicks

    truth, pet = read_image(arguments.truth, "truth"), read_image(arguments.pet, "PET")
    clicks = simulate_clicks(truth, pet, np.random.default_rng(arguments.seed))
    if not arguments.steps:
        arguments.out.write_text(json.dumps(clicks_to_json(clicks)), encoding="utf-8")
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(click_steps(clicks)):
        text = json.dumps(clicks_to_json(step))
        (arguments.out / f"step_{number}.json").write_text(text, encoding="utf-8")
    return 0


# --- picture ----------------------------------------------------------------------------------------------------------


def _add_picture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV")
    parser.add_argument("--mask", type=Path, required=True, metavar="FILE", help="mask on the PET's grid")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")


def _do_picture(arguments: argparse.Namespace, _started_s: float) -> int:
    from petlesion.images import read_image
    from petlesion.picture import mip_picture

    mip_picture(read_image(arguments.pet, "PET"), read_image(arguments.mask, "mask"), arguments.out)
    return 0


# --- weights ----------------------------------------------------------------------------------------------------------


def _add_weights(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
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
    take.add_argument("--license", default="unstated", metavar="ID", help="SPDX identifier, kept in the manifest")
    for verb, summary in (
        ("verify", "check every file's hash, keys and shapes"),
        ("list", "list the models of a store"),
    ):
        one = verbs.add_parser(verb, help=summary)
        one.add_argument("store", type=Path, nargs="?", metavar="DIR", help="default: where process.py looks")
        one.add_argument("--json", action="store_true", help="print JSON")


def _do_weights(arguments: argparse.Namespace, _started_s: float) -> int:
    from petlesion.inference.weights import WeightsError

    try:
        return {"import": _import_weights, "verify": _verify_weights, "list": _list_weights}[arguments.verb](arguments)
    except WeightsError as error:
        print(f"petlesion: {error}", file=sys.stderr)
        return 4


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


# --- table ------------------------------------------------------------------------------------------------------------


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="REPORT", help="report.json of a run")


def _do_table(arguments: argparse.Namespace, _started_s: float) -> int:
    from petlesion.table import lesion_table

    print(lesion_table(json.loads(arguments.report.read_text(encoding="utf-8"))))
    return 0


# --- train ------------------------------------------------------------------------------------------------------------


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", choices=("mesbah",), default="mesbah")
    parser.add_argument("--role", choices=("tracer", "fdg", "psma", "all"), default="all")
    parser.add_argument(
        "--synthetic", action="store_true", required=True, help="train the small shipped weights on phantoms"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same training")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="store to write into")


def _do_train(arguments: argparse.Namespace, _started_s: float) -> int:
    from petlesion.training.synthetic import train_default_weights

    roles = ("tracer", "fdg", "psma") if arguments.role == "all" else (arguments.role,)
    train_default_weights(arguments.out, roles=roles, seed=arguments.seed)
    return 0


# ----------------------------------------------------------------------------------------------------------------------


def _numbers(kind: type[int | float]) -> Callable[[str], tuple[float, ...]]:
    """A parser of three numbers with commas between them."""

    def parse(text: str) -> tuple[float, ...]:
        numbers = tuple(kind(part) for part in text.split(","))
        if len(numbers) != 3:
            raise argparse.ArgumentTypeError(f"three numbers with commas between them; got {text!r}")
        return numbers

    return parse


COMMANDS: dict[str, tuple[str, Add, Do]] = {
    "segment": ("segment one case given as files", _add_segment, _do_segment),
    "phantom": ("make a synthetic PET/CT with lesions of known volume", _add_phantom, _do_phantom),
    "clicks": ("simulate a physician's clicks on known lesions", _add_clicks, _do_clicks),
    "picture": (
        "draw the PET's maximum-intensity projections with the mask over them",
        _add_picture,
        _do_picture,
    ),
    "table": ("print the lesions of a report as a table", _add_table, _do_table),
    "weights": ("import, verify or list weights", _add_weights, _do_weights),
    "train": ("train the networks of a recipe", _add_train, _do_train),
}
