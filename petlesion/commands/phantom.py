# SPDX-License-Identifier: Apache-2.0
"""`petlesion phantom`: a synthetic PET/CT with lesions of known volume, in the platform's sockets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from petlesion.volume import Grid

from petlesion.limits import UsageError

SUMMARY = "make a synthetic PET/CT with lesions of known volume"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
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


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.case import Tracer
    from petlesion.phantom import make_phantom
    from petlesion.phantom.files import write_phantom
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
        raise UsageError("--shape and --spacing go together")
    return None if arguments.shape is None else Grid(arguments.shape, arguments.spacing)


def _numbers(kind: type[int | float]) -> Callable[[str], tuple[float, ...]]:
    """A parser of three numbers with commas between them."""

    def parse(text: str) -> tuple[float, ...]:
        numbers = tuple(kind(part) for part in text.split(","))
        if len(numbers) != 3:
            raise argparse.ArgumentTypeError(f"three numbers with commas between them; got {text!r}")
        return numbers

    return parse
