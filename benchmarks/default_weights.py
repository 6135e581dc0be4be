# SPDX-License-Identifier: Apache-2.0
"""How good the shipped default weights are, on phantoms that no training has seen.

    python -m benchmarks.default_weights [--n 8] [--tracer-n 20] [--clicks 10 ...] [--depth 1] [--json OUT]

The tracer networks read `tracer-n` phantoms of each tracer on a coarse grid. The segmentation goes through
`pipeline.segment`, as in the container, on `n` phantoms of each tracer with lesions, on the grids of public studies
(FDG 256 x 256 x 325 at 2.0364 x 2.0364 x 3 mm, which is the public 400 x 400 without its outer air; PSMA 200 x 200 x
425 at 4.07 x 4.07 x 2 mm), with so many simulated clicks of each kind, the tracer left to the networks.

Seeds begin at 900,000; training takes its from its own seed upwards.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from petlesion.case import PetCtCase, Tracer
from petlesion.clicks import Clicks
from petlesion.inference.tracer import call_tracer, load_tracer_networks
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.metrics import dice, false_negative_ml, false_positive_ml
from petlesion.phantom import STUDY_DIRECTION, Phantom, default_grid, make_phantom
from petlesion.pipeline import segment
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid

FIRST_SEED = 900_000
COARSE = Grid((128, 128, 298), (5.47, 5.47, 3.27), (-350.0, 350.0, -975.0), STUDY_DIRECTION)
FDG_GRID = Grid((256, 256, 325), (2.0364, 2.0364, 3.0), (-260.6, 260.6, -975.0), STUDY_DIRECTION)
Json = dict[str, Any]


def main() -> None:
    """Measure, print a line for each case, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=8, help="phantoms of each tracer that are segmented")
    parser.add_argument("--tracer-n", type=int, default=20, help="phantoms of each tracer that are told apart")
    parser.add_argument("--clicks", type=int, nargs="+", default=[10], help="clicks of each kind")
    parser.add_argument("--segment", nargs="*", choices=list(Tracer), default=list(Tracer), help="tracers to segment")
    parser.add_argument("--depth", type=int, default=1, choices=(1, 2, 4, 8), help="test-time flips")
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: where process.py looks)")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    store = ModelStore.open(options.weights)
    found: Json = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}",
        "depth": options.depth,
        "tracer": tracer_figures(store, options.tracer_n),
        "segmentation": [
            segmentation_figures(store, tracer, options.n, clicks, options.depth)
            for tracer in map(Tracer, options.segment)
            for clicks in options.clicks
        ],
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def tracer_figures(store: ModelStore, n: int) -> Json:
    """Share of phantoms whose tracer is called rightly."""
    networks = load_tracer_networks(store, store.entry("mesbah", "tracer"), torch.device("cpu"))
    right = {
        tracer.value: sum(
            call_tracer(phantom_of(tracer, FIRST_SEED + 1000 + i, COARSE).pet_suv, networks).tracer is tracer
            for i in range(n)
        )
        for tracer in Tracer
    }
    print(f"tracer: right of {n} each: {right}", flush=True)
    return {"n_each": n, "right": right, "share": sum(right.values()) / max(1, len(right) * n)}


def segmentation_figures(store: ModelStore, tracer: Tracer, n: int, n_clicks: int, depth: int) -> Json:
    """Dice, FPV and FNV of `n` phantoms with lesions."""
    cases: list[Json] = []
    seed = FIRST_SEED
    while len(cases) < n:
        phantom = phantom_of(tracer, seed, FDG_GRID if tracer is Tracer.FDG else default_grid(tracer))
        if phantom.lesions:
            cases.append({"seed": seed} | case_figures(store, phantom, n_clicks, depth))
            print(f"{tracer} {cases[-1]}", flush=True)
        seed += 1
    scores = np.array([case["dice"] for case in cases])
    summary = {
        "tracer": tracer.value,
        "n": n,
        "clicks_of_each_kind": n_clicks,
        "dice_mean": round(float(scores.mean()), 4),
        "dice_sd": round(float(scores.std(ddof=1)), 4) if n > 1 else None,
        "dice_min": round(float(scores.min()), 4),
        "dice_max": round(float(scores.max()), 4),
        "fpv_ml_mean": round(float(np.mean([case["fpv_ml"] for case in cases])), 3),
        "fnv_ml_mean": round(float(np.mean([case["fnv_ml"] for case in cases])), 3),
    }
    print(summary, flush=True)
    return summary | {"cases": cases}


def case_figures(store: ModelStore, phantom: Phantom, n_clicks: int, depth: int) -> Json:
    """One phantom through the whole pipeline."""
    clicks = Clicks()
    if n_clicks:
        rng = np.random.default_rng(FIRST_SEED)
        clicks = simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=n_clicks, n_background=n_clicks)
    begun = time.monotonic()
    case = PetCtCase("phantom", phantom.ct_hu, phantom.pet_suv, clicks)
    result = segment(case, store, Limits(depth=depth, time_limit_s=float("inf")))
    truth, mask = phantom.truth.array_zyx > 0, result.mask.array_zyx > 0
    voxel_ml = phantom.truth.grid.voxel_ml
    return {
        "lesions": len(phantom.lesions),
        "lesion_ml": round(float(truth.sum()) * voxel_ml, 2),
        "called": result.tracer.tracer.value,
        "dice": round(dice(mask, truth), 4),
        "fpv_ml": round(false_positive_ml(mask, truth, voxel_ml), 3),
        "fnv_ml": round(false_negative_ml(mask, truth, voxel_ml), 3),
        "seconds": round(time.monotonic() - begun, 1),
    }


def phantom_of(tracer: Tracer, seed: int, grid: Grid) -> Phantom:
    """The phantom of a seed that is kept for testing."""
    return make_phantom(tracer, np.random.default_rng(seed), grid=grid)


if __name__ == "__main__":
    main()
