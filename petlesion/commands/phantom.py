# SPDX-License-Identifier: Apache-2.0
"""`petlesion phantom`: a synthetic PET/CT with lesions of known volume, in the platform's sockets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from petlesion.phantom.organ_map import OrganMap
    from petlesion.volume import Grid, Triple

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
        "--organs", type=Path, metavar="LABELMAP", help="draw around the organs of this label map of a real patient"
    )
    parser.add_argument(
        "--organ-labels",
        choices=("published", "totalsegmentator"),
        help="what its labels mean (default: up to 10 is LesionTracer's published scheme, more is TotalSegmentator's)",
    )
    parser.add_argument(
        "--sites", type=Path, metavar="FILE", help="clicks of that patient: half of the lesions grow at tumour clicks"
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
    organs = _organs(arguments)
    grid = _grid(arguments, None if organs is None else organs.labels.grid)
    phantom = make_phantom(
        Tracer(arguments.tracer),
        rng,
        grid=grid,
        n_lesions=arguments.lesions,
        organs=organs,
        sites_mm=_sites_mm(arguments, organs),
    )
    count = arguments.click_count
    clicks = simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=count, n_background=count)
    write_phantom(phantom, arguments.out, clicks)
    print(f"{len(phantom.lesions)} lesions, {sum(one.volume_ml for one in phantom.lesions):.1f} ml: {arguments.out}")
    return 0


def _grid(arguments: argparse.Namespace, around: Grid | None) -> Grid | None:
    """The grid asked for, in the middle of the organ map's where there is one; None leaves it to the phantom."""
    from petlesion.volume import Grid

    if (arguments.shape is None) != (arguments.spacing is None):
        raise UsageError("--shape and --spacing go together")
    if arguments.shape is None or around is None:
        return None if arguments.shape is None else Grid(arguments.shape, arguments.spacing)
    middle = around.world_mm(tuple((n - 1) / 2 for n in around.size_xyz))
    plain = Grid(arguments.shape, arguments.spacing, (0.0, 0.0, 0.0), around.direction)
    reach = plain.world_mm(tuple((n - 1) / 2 for n in arguments.shape))
    x, y, z = (m - r for m, r in zip(middle, reach, strict=True))
    return Grid(arguments.shape, arguments.spacing, (x, y, z), around.direction)


def _organs(arguments: argparse.Namespace) -> OrganMap | None:
    from petlesion.images import read_image
    from petlesion.phantom.organ_map import OrganMap

    if arguments.organs is None:
        if arguments.sites or arguments.organ_labels:
            raise UsageError("--sites and --organ-labels go with --organs")
        return None
    return OrganMap.of(read_image(arguments.organs, "organ map"), arguments.organ_labels)


def _sites_mm(arguments: argparse.Namespace, organs: OrganMap | None) -> tuple[Triple, ...]:
    from petlesion.clicks import parse_clicks

    if arguments.sites is None or organs is None:
        return ()
    points = parse_clicks(arguments.sites.read_bytes()).tumor
    return tuple(organs.labels.grid.world_mm(point) for point in points)


def _numbers(kind: type[int | float]) -> Callable[[str], tuple[float, ...]]:
    """A parser of three numbers with commas between them."""

    def parse(text: str) -> tuple[float, ...]:
        numbers = tuple(kind(part) for part in text.split(","))
        if len(numbers) != 3:
            raise argparse.ArgumentTypeError(f"three numbers with commas between them; got {text!r}")
        return numbers

    return parse
