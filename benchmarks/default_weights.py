# SPDX-License-Identifier: Apache-2.0
"""How good the shipped default weights are, on patients that no training has seen.

    python -m benchmarks.default_weights --data DIR [--parts tracer FDG PSMA healthy sarcomas] [--n 10] [--tracer-n 64]
        [--steps 0 1 2 ... 10] [--json FILE] [--pictures DIR]

DIR holds `organ_maps/` and `clicks/` (phantoms are drawn around the organs of the patients that training leaves out,
on the grids of their real PETs) and `petct_sts/` (the real sarcomas that training leaves out). What is left out is a
rule of `petlesion.training.studies`. Every case goes through `pipeline.segment`, as in the container, without flips,
the tracer left to the networks, at each step of the interaction (the first k simulated clicks of each kind), and once
more with its clicks exchanged: background on lesions, tumour on hot organs. An existing --json keeps its other parts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.case import PetCtCase, Tracer
from petlesion.chart import evaluation_chart
from petlesion.clicks import Clicks
from petlesion.inference.tile_memory import MemoryTiles
from petlesion.inference.tracer import call_tracer, load_tracer_networks
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.phantom import make_phantom
from petlesion.phantom.organ_map import OrganMap
from petlesion.phantom.seeding import draw_count
from petlesion.pipeline import segment
from petlesion.scores import CaseScores, Scores, score
from petlesion.simulate import click_steps, simulate_clicks
from petlesion.summary import strict, summarise
from petlesion.training.studies import (
    Source,
    Study,
    map_sources,
    read_labels,
    study_sources,
    tumour_sites_mm,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_SEED = 900_000
PARTS = ("tracer", "FDG", "PSMA", "healthy", "sarcomas")
Json = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What is measured with what."""

    store: ModelStore
    data: Path
    n: int
    tracer_n: int
    steps: tuple[int, ...]

    def maps(self, tracer: Tracer) -> list[Source]:
        """The organ maps that are kept out of training."""
        return map_sources(self.data / "organ_maps", self.data / "clicks", tracer, FIRST_SEED, kept_out=True)

    def studies(self, part: str) -> Iterator[tuple[str, Study]]:
        """Names and studies of a part."""
        if part == "sarcomas":
            for source in study_sources(self.data / "petct_sts", FIRST_SEED, kept_out=True):
                yield source.name, source.study(np.random.default_rng(0))
            return
        tracer = Tracer.PSMA if part == "PSMA" else Tracer.FDG
        for source in self.maps(tracer)[: self.n]:
            rng = np.random.default_rng([source.seed, part == "healthy"])
            yield source.name, phantom_of(source, rng, 0 if part == "healthy" else positive_count(tracer, rng))


def main() -> None:
    """Measure, print a line for each case, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of organ_maps/, clicks/ and petct_sts/")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n", type=int, default=10, help="phantoms of each part")
    parser.add_argument("--tracer-n", type=int, default=64, help="phantoms that are told apart, half of each tracer")
    parser.add_argument("--steps", type=int, nargs="+", default=list(range(11)), help="clicks of each kind")
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: where process.py looks)")
    parser.add_argument("--json", type=Path, help="where all figures are kept")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where a chart of each part goes")
    options = parser.parse_args()
    bench = Bench(ModelStore.open(options.weights), options.data, options.n, options.tracer_n, tuple(options.steps))
    for part in options.parts:
        found = tracer_figures(bench) if part == "tracer" else part_figures(bench, part, options.pictures)
        if options.json:
            keep(options.json, part, found)


def keep(path: Path, part: str, found: Json) -> None:
    """Write a part's figures into the JSON beside those of the other parts."""
    held: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    held[part] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}",
    } | found
    path.write_text(json.dumps({p: held[p] for p in PARTS if p in held}, indent=1) + "\n", encoding="utf-8")


def tracer_figures(bench: Bench) -> Json:
    """Share of phantoms whose tracer is called rightly."""
    networks = load_tracer_networks(bench.store, bench.store.entry("mesbah", "tracer"), torch.device("cpu"))
    wrong: list[str] = []
    each = bench.tracer_n // 2
    for tracer in Tracer:
        maps = bench.maps(tracer)
        for i in range(each):
            source = maps[i % len(maps)]
            rng = np.random.default_rng([FIRST_SEED + 1000 + i, tracer is Tracer.PSMA])
            whole = i % 4 == 0  # on the scanner's grid, with the air around the body; the others trimmed and coarse
            study = phantom_of(source, rng, positive_count(tracer, rng)) if whole else source.picture_study(rng)
            if call_tracer(study.pet_suv, networks).tracer is not tracer:
                wrong.append(source.name)
    print(f"tracer: {2 * each - len(wrong)} of {2 * each} right; wrong: {wrong}", flush=True)
    return {"n": 2 * each, "right": 2 * each - len(wrong), "wrong": wrong}


def part_figures(bench: Bench, part: str, pictures: Path | None) -> Json:
    """All scores of a part, at every step and with exchanged clicks."""
    cases, called, exchanged = [], [], []
    begun = time.monotonic()
    steps = (0, 10) if part == "healthy" else bench.steps
    for name, study in bench.studies(part):
        rng = np.random.default_rng(FIRST_SEED)
        clicks = simulate_clicks(study.truth, study.pet_suv, rng)
        by_step = click_steps(clicks)
        tiles = MemoryTiles()
        found = [scored(bench.store, study, by_step[step], tiles) for step in steps]
        cases.append(CaseScores(name, tuple(one for one, _ in found), tracer=study.tracer.value))
        called.append(found[0][1])
        line = {
            step: round(one.fpv_ml if part == "healthy" else one.dice, 3)
            for step, (one, _) in zip(steps, found, strict=True)
        }
        if part != "healthy":
            wrong = Clicks(clicks.background_xyz, clicks.tumor_xyz)
            exchanged.append(scored(bench.store, study, wrong, tiles)[0])
            line["exchanged"] = round(exchanged[-1].dice, 3)
        print(f"{part} {name} {cases[-1].last.truth_ml:.1f} ml, {called[-1]}: {line}", flush=True)
    if pictures is not None:
        evaluation_chart(cases, pictures / f"{part.lower()}.png")
    summary = summarise(cases)
    print(part, {step: strict({k: v["mean"] or 0.0 for k, v in of.items() if k in ("dice", "fpv_ml", "fnv_ml")})
                 for step, of in zip(steps, summary["steps"], strict=True)}, summary["recall"], flush=True)  # fmt: skip
    return {
        "clicks_of_each_kind": list(steps),
        "called": called,
        "exchanged_clicks": [strict(one.figures()) for one in exchanged],
        "seconds": round(time.monotonic() - begun),
    } | summary


def scored(store: ModelStore, study: Study, clicks: Clicks, tiles: MemoryTiles) -> tuple[Scores, str]:
    """Scores of one run of the whole pipeline, and the tracer that it called."""
    case = PetCtCase("study", study.ct_hu, study.pet_suv, clicks)
    result = segment(case, store, Limits(depth=1, time_limit_s=float("inf")), memory=tiles)
    truth = study.truth.array_zyx > 0
    return score(
        result.mask.array_zyx > 0, truth, study.truth.grid.voxel_ml
    ), result.tracer.tracer.value if result.tracer else ""


def phantom_of(source: Source, rng: np.random.Generator, n_lesions: int) -> Study:
    """A phantom on the true grid of an organ map."""
    path = source.organ_map
    if path is None:
        raise ValueError("the benchmark's phantoms are drawn around organ maps")
    sites = tumour_sites_mm(path, source.clicks)
    organs = OrganMap.of(read_labels(path))
    return Study.of(make_phantom(source.tracer, rng, organs=organs, sites_mm=sites, n_lesions=n_lesions))


def positive_count(tracer: Tracer, rng: np.random.Generator) -> int:
    """A number of lesions as positive patients have it."""
    while (count := draw_count(tracer, rng)) == 0:
        pass
    return count


if __name__ == "__main__":
    main()
