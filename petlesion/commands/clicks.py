# SPDX-License-Identifier: Apache-2.0
"""`petlesion clicks`: simulated clicks of a physician on known lesions, or scribbles on the errors of a mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from petlesion.limits import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from petlesion.clicks import Clicks

SUMMARY = "simulate a physician's clicks on known lesions, or scribbles that correct a mask"
SCRIBBLES = {"kind": "centreline", "error": "largest", "rounds": 1}  # options that clicks do not have


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add = parser.add_argument
    add("--truth", type=Path, required=True, metavar="FILE", help="mask of the lesions")
    add(
        "--pet",
        type=Path,
        metavar="FILE",
        help="PET in SUV, on the same grid: clicks on background lie where it is hot",
    )
    add("--seed", type=int, required=True, metavar="N", help="the same seed gives the same points")
    add("--steps", action="store_true", help="write the steps into the folder OUT: step_0.json to step_10.json with 0 "
        "to 10 clicks of each kind; with --scribbles, step_0.json to step_N.json after 0 to N rounds")  # fmt: skip
    add("--offset", type=int, default=0, metavar="N", help="move each click by up to N voxels along each axis, where "
        "it stays in its lesion or hot spot (default: %(default)s)")  # fmt: skip
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FILE|DIR",
        help="points in voxels (x, y, z), as the platform has them",
    )
    more = parser.add_argument_group("scribbles (autoPET V)")
    more.add_argument("--scribbles", action="store_true", help="draw lines on the errors of a mask instead of clicks: "
        "of tumour on what it misses, of background on what it has too much")  # fmt: skip
    more.add_argument("--mask", type=Path, metavar="FILE", help="the mask to correct, on the truth's grid")
    more.add_argument("--kind", choices=("centreline", "random", "boundary"), help="how a line runs through the "
        f"error's largest axial slice (default: {SCRIBBLES['kind']})")  # fmt: skip
    more.add_argument("--error", choices=("largest", "drawn"), help="which errors are answered "
        f"(default: {SCRIBBLES['error']})")  # fmt: skip
    more.add_argument("--rounds", type=int, choices=range(1, 6), metavar="1..5", help="number of scribbles, each on an "
        f"error of its own of the same mask (default: {SCRIBBLES['rounds']})")  # fmt: skip
    more.add_argument("--after", type=Path, metavar="FILE", help="points of earlier rounds, which come first in OUT")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.clicks import clicks_to_json

    _check(arguments)
    steps = _scribbles(arguments) if arguments.scribbles else _clicks(arguments)
    if not arguments.steps:
        arguments.out.write_text(json.dumps(clicks_to_json(steps[-1])), encoding="utf-8")
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(steps):
        text = json.dumps(clicks_to_json(step))
        (arguments.out / f"step_{number}.json").write_text(text, encoding="utf-8")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    needed, wrong = ("mask", ("pet", "offset")) if arguments.scribbles else ("pet", ("mask", "after", *SCRIBBLES))
    what = "scribbles" if arguments.scribbles else "clicks"
    if getattr(arguments, needed) is None:
        raise UsageError(f"{what} need --{needed}; it is not given")
    if given := [name for name in wrong if getattr(arguments, name)]:
        raise UsageError(
            f"{what} do not take --{given[0]}: leave it out, or choose {'no ' * (what != 'clicks')}--scribbles"
        )
    for name, default in SCRIBBLES.items():
        setattr(arguments, name, getattr(arguments, name) or default)
    if arguments.offset < 0:
        raise UsageError(f"--offset is a number of voxels, 0 or more; got {arguments.offset}")


def _clicks(arguments: argparse.Namespace) -> Sequence[Clicks]:
    """Steps 0 to 10."""
    from petlesion.images import read_image
    from petlesion.simulate import click_steps, simulate_clicks

    truth, pet = read_image(arguments.truth, "truth"), read_image(arguments.pet, "PET")
    rng = np.random.default_rng(arguments.seed)
    return click_steps(simulate_clicks(truth, pet, rng, max_offset=arguments.offset))


def _scribbles(arguments: argparse.Namespace) -> Sequence[Clicks]:
    """The points before any round, and after each."""
    from petlesion.clicks import Clicks, admit_clicks, parse_clicks
    from petlesion.evaluate import read_mask
    from petlesion.scribbles import scribble_steps
    from petlesion.volume import GridError

    truth, mask = read_mask(arguments.truth, "truth"), read_mask(arguments.mask, "mask")
    if not mask.grid.same_as(truth.grid):
        raise GridError("mask and truth must share one grid; resample the mask to the truth first")
    before = parse_clicks(arguments.after.read_bytes()) if arguments.after else Clicks()
    rng = np.random.default_rng(arguments.seed)
    steps = scribble_steps(
        truth.array_zyx, mask.array_zyx, arguments.kind, rng, rounds=arguments.rounds, choice=arguments.error
    )
    earlier = admit_clicks(before, truth.grid).clicks
    return [earlier.joined(step) for step in steps]
