# SPDX-License-Identifier: Apache-2.0
"""What the body's box costs: the same cases with and without it, through the whole pipeline.

    python -m benchmarks.body_crop --json FILE [--n 24] [--field 800 800 978] [--spacing 4] [--clicks 0]
                                   [--tracers FDG PSMA] [--average-folds | --all-folds] [--weights DIR] [--data DIR]
                                   [--maps]

Draws N seeded phantoms of each tracer in a scanner's field of view of --field mm, at --spacing mm; with --data,
the real sarcomas in DIR/petct_sts that training leaves out as well; with --maps, phantoms around the organ maps in
DIR/organ_maps that training leaves out instead, in their patients' own fields of view. Each is segmented twice, by the
first fold (or one network of the folds' mean weights, or all folds), no flips, the tracer given, and held against its
truth: Dice, false positive and false negative volume. FILE keeps every case, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.case import PetCtCase, Tracer
from petlesion.clicks import Clicks
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.phantom import make_phantom
from petlesion.phantom.organ_map import OrganMap
from petlesion.pipeline import segment
from petlesion.scores import score
from petlesion.simulate import click_steps, simulate_clicks
from petlesion.training.studies import (
    Study,
    coarsened,
    map_sources,
    read_labels,
    study_sources,
    tumour_sites_mm,
)
from petlesion.volume import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD_MM = (800.0, 800.0, 978.0)
FIRST_SEED = 970_000
MAPS = "-maps"  # in the names of phantoms around organ maps, and of their subsets
FIGURES = ("dice", "fpv_ml", "fnv_ml", "tiles", "cpu_s")
DICE_LOSS, VOLUME_GAIN = 0.005, 1.05  # what the box may cost on the mean
Json = dict[str, Any]


def main() -> None:
    """Go through the cases, and keep each."""
    options = arguments()
    store = ModelStore.open(options.weights)
    held: Json = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"cases": {}}
    for name, subset in names(options):
        if name not in held["cases"]:
            study = study_of(name, options)
            both = {way: scored(store, study, options, crop=way == "box") for way in ("box", "whole")}
            held["cases"][name] = {"subset": subset} | both
            print(name, json.dumps(both), flush=True)
        held |= {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}",
            "clicks": options.clicks,
            "average_folds": options.average_folds,
            "all_folds": options.all_folds,
            "around_organ_maps": options.maps,
            "field_mm": list(options.field),
            "spacing_mm": options.spacing,
            "means": means(held["cases"]),
        }
        options.json.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(held["means"], indent=1))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--n", type=int, default=24, help="phantoms of each tracer")
    parser.add_argument("--field", type=float, nargs=3, default=FIELD_MM, metavar=("X", "Y", "Z"), help="in mm")
    parser.add_argument("--spacing", type=float, default=4.0, help="of the phantoms, in mm")
    parser.add_argument("--clicks", type=int, default=0, choices=range(11), help="of each kind")
    networks = parser.add_mutually_exclusive_group()
    networks.add_argument(
        "--average-folds", action="store_true", help="the folds' mean weights instead of the first fold"
    )
    networks.add_argument("--all-folds", action="store_true", help="all folds, as cases are run by default")
    parser.add_argument("--tracers", nargs="+", type=Tracer, choices=list(Tracer), default=list(Tracer))
    parser.add_argument("--weights", type=Path, metavar="DIR")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of petct_sts/, organ_maps/ and clicks/")
    parser.add_argument("--maps", action="store_true", help="phantoms around the organ maps of --data")
    options = parser.parse_args()
    if options.maps and not options.data:
        parser.error("--maps needs --data")
    return options


def names(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Names of the cases and their subsets."""
    for number in range(options.n):
        for tracer in options.tracers:
            subset = f"{tracer}{MAPS if options.maps else ''}"  # apart in a FILE that holds both kinds of phantoms
            yield f"{subset}-{number}", subset
    if options.data and Tracer.FDG in options.tracers:
        for source in study_sources(options.data / "petct_sts", FIRST_SEED, kept_out=True):
            yield source.name, "sarcomas"


def study_of(name: str, options: argparse.Namespace) -> Study:
    """A phantom by its name, or a sarcoma by its."""
    tracer, _, number = name.rpartition("-")
    if tracer.endswith(MAPS):
        return around_a_map(Tracer(tracer.removesuffix(MAPS)), int(number), options.data)
    if tracer in set(Tracer):
        rng = np.random.default_rng([FIRST_SEED + int(number), tracer == Tracer.PSMA])
        x, y, z = (round(mm / options.spacing) for mm in options.field)
        count = int(rng.integers(1, 12))
        grid = Grid((x, y, z), (options.spacing,) * 3)
        return Study.of(make_phantom(Tracer(tracer), rng, grid=grid, n_lesions=count))
    sources = study_sources(options.data / "petct_sts", FIRST_SEED, kept_out=True)
    return next(source for source in sources if source.name == name).study(np.random.default_rng(0))


def around_a_map(tracer: Tracer, number: int, data: Path) -> Study:
    """A phantom around a kept-out organ map in its whole field of view, on every second voxel where they are fine."""
    sources = map_sources(data / "organ_maps", data / "clicks", tracer, FIRST_SEED, kept_out=True)
    source = sources[number % len(sources)]
    if source.organ_map is None:
        raise ValueError("the benchmark's phantoms are drawn around organ maps")
    labels = coarsened(read_labels(source.organ_map))
    sites = tumour_sites_mm(source.organ_map, source.clicks)
    rng = np.random.default_rng([FIRST_SEED + number, tracer is Tracer.PSMA])
    count = int(rng.integers(1, 12))
    return Study.of(make_phantom(tracer, rng, organs=OrganMap.of(labels), sites_mm=sites, n_lesions=count))


def scored(store: ModelStore, study: Study, options: argparse.Namespace, *, crop: bool) -> Json:
    """Scores of one run, what was swept, and its CPU seconds."""
    n_clicks: int = options.clicks
    clicks = simulate_clicks(study.truth, study.pet_suv, np.random.default_rng(FIRST_SEED)) if n_clicks else Clicks()
    case = PetCtCase("study", study.ct_hu, study.pet_suv, click_steps(clicks)[n_clicks] if n_clicks else clicks)
    limits = Limits(
        time_limit_s=float("inf"),
        depth=1,
        body_crop=crop,
        tracer=study.tracer,
        folds=None if options.all_folds or options.average_folds else (0,),
        average_folds=options.average_folds,
    )
    tiles: list[int] = []
    begun = time.process_time()
    result = segment(case, store, limits, observer=lambda progress: tiles.append(progress.tiles))
    found = score(result.mask.array_zyx > 0, study.truth.array_zyx > 0, study.truth.grid.voxel_ml)
    seconds = round(time.process_time() - begun, 1)
    return {"dice": found.dice, "fpv_ml": found.fpv_ml, "fnv_ml": found.fnv_ml, "tiles": tiles[-1], "cpu_s": seconds}


def means(cases: Json) -> Json:
    """Means of each subset both ways, and whether the box keeps to its price."""
    found: Json = {}
    for subset in sorted({case["subset"] for case in cases.values()}):
        held = [case for case in cases.values() if case["subset"] == subset]
        ways = {
            way: {key: round(float(np.mean([case[way][key] for case in held])), 4) for key in FIGURES}
            for way in ("box", "whole")
        }
        found[subset] = {"n": len(held)} | ways | {"within_its_price": within(ways["box"], ways["whole"])}
    return found


def within(box: Json, whole: Json) -> bool:
    """Whether Dice falls by no more than 0.005, and FPV and FNV grow by no more than 5 %."""
    volumes = all(box[key] <= VOLUME_GAIN * whole[key] for key in ("fpv_ml", "fnv_ml"))
    return bool(box["dice"] >= whole["dice"] - DICE_LOSS and volumes)


if __name__ == "__main__":
    main()
