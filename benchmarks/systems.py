# SPDX-License-Identifier: Apache-2.0
"""The systems side by side: the same phantoms around organ maps and the same sarcomas, which no training has seen.

    python -m benchmarks.systems --data DIR --json FILE [--systems mesbah ...] [--n 24] [--clicks 0 10]
        [--height-mm 320] [--picture PNG]

DIR holds `organ_maps/`, `clicks/` and `petct_sts/`; what is kept out of training is a rule of
`petlesion.training.studies`. Phantoms are drawn of a part of the body, --height-mm high and at a random place, those of
finely gridded patients on every second voxel along x and y: a fraction of the time of whole bodies. Since parts of
bodies are hard to tell apart, mesbah is told the tracer of a phantom; that of a sarcoma it calls itself. Systems that
read clicks are run once for each number in --clicks, the others once. Beside them stands the best fixed SUV threshold,
chosen for the phantoms of each tracer (and for the sarcomas) on these very cases, which flatters it.

Each case is one run of `pipeline.segment`, one after the other, its seconds those of the clock and of the CPU; the peak
memory of a system is that of a process in which it segments the first case alone. FILE keeps every case, so that a run
that was stopped goes on; the last line of each system is its mean with a 95 % bootstrap interval, and its paired
difference to mesbah without clicks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure

from petlesion.case import PetCtCase, Tracer
from petlesion.clicks import Clicks
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.phantom import make_phantom
from petlesion.phantom.organ_map import OrganMap
from petlesion.phantom.seeding import draw_count
from petlesion.pipeline import segment
from petlesion.recipes import RECIPES
from petlesion.scores import score
from petlesion.simulate import click_steps, simulate_clicks
from petlesion.training.scans import crop
from petlesion.training.studies import (
    Study,
    coarsened,
    map_sources,
    read_labels,
    study_sources,
    trimmed,
    tumour_sites_mm,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from petlesion.volume import Volume

ROOT = Path(__file__).resolve().parents[1]
FIRST_SEED = 950_000
THRESHOLDS_SUV = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
SUBSETS = (*Tracer, "sarcomas")
FIGURES = ("dice", "fpv_ml", "fnv_ml")
Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One column of the comparison: a system with a number of clicks of each kind."""

    system: str
    clicks: int

    @property
    def name(self) -> str:
        """Such as "mesbah, 10+10 clicks"."""
        reads = any("clicks" in one for stage in RECIPES[self.system].stages for one in stage.channels)
        return f"{self.system}, {self.clicks}+{self.clicks} clicks" if reads else self.system


def main() -> None:
    """Run what is missing in the file, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of organ_maps/, clicks/ and petct_sts/")
    parser.add_argument("--json", type=Path, required=True, help="where every case is kept")
    parser.add_argument("--systems", nargs="+", choices=RECIPES, default=[n for n in RECIPES if n != "baseline"])
    parser.add_argument("--subsets", nargs="+", choices=SUBSETS, default=list(SUBSETS))
    parser.add_argument("--n", type=int, default=24, help="phantoms of each tracer")
    parser.add_argument("--clicks", type=int, nargs="+", default=[0, 10], help="clicks of each kind")
    parser.add_argument("--height-mm", type=float, default=320.0, help="of the part of the body that is drawn")
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: where process.py looks)")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="Dice and FPV of each system")
    parser.add_argument("--peak-of", metavar="SYSTEM", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        print(peak_of(options))
        return
    held = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"cases": {}, "peaks": {}}
    measure(options, held)
    print(table(held["cases"], options.subsets))
    if options.picture:
        draw(held["cases"], options.subsets, options.picture)


def measure(options: argparse.Namespace, held: Json) -> None:
    """Fill in the cases and peaks that the file lacks, keeping it after each case."""
    store = ModelStore.open(options.weights)
    runs = dict.fromkeys(Run(s, k) if "clicks" in Run(s, k).name else Run(s, 0) for s in options.systems
                         for k in options.clicks)  # fmt: skip
    for subset in options.subsets:
        for name, study in studies(options, subset, options.n):
            found = held["cases"].setdefault(f"{subset} {name}", {"subset": str(subset), "runs": {}})
            found.setdefault("thresholds", thresholds(study))
            for run in runs:
                if run.name not in found["runs"]:
                    found["runs"][run.name] = scored(store, study, run)
                    keep(options.json, held)
            line = {key: round(one["dice"], 3) for key, one in found["runs"].items()}
            print(f"{subset} {name}: {line}", flush=True)
    for system in options.systems:
        if system not in held["peaks"]:
            held["peaks"][system] = apart(options, system)
            keep(options.json, held)


def keep(path: Path, held: Json) -> None:
    """Write the file beside its place and rename it."""
    held["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    held["machine"] = f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def studies(options: argparse.Namespace, subset: str, n: int) -> Iterator[tuple[str, Study]]:
    """Names and studies of a subset: phantoms with lesions around kept-out organ maps, or kept-out sarcomas."""
    data: Path = options.data
    if subset == "sarcomas":
        for source in study_sources(data / "petct_sts", FIRST_SEED, kept_out=True):
            yield source.name, source.study(np.random.default_rng(0))
        return
    sources = map_sources(data / "organ_maps", data / "clicks", Tracer(subset), FIRST_SEED, kept_out=True)
    for source in sources[:n]:
        rng = np.random.default_rng(source.seed)
        if source.organ_map is None:
            raise ValueError("phantoms are drawn around organ maps")
        labels = trimmed(read_labels(source.organ_map))
        labels = coarsened(part_of(labels, options.height_mm, rng))
        sites = tumour_sites_mm(source.organ_map, source.clicks)
        count = next(c for c in iter(lambda: draw_count(source.tracer, rng), None) if c)  # noqa: B023 - used at once
        yield (
            source.name,
            Study.of(make_phantom(source.tracer, rng, organs=OrganMap.of(labels), sites_mm=sites, n_lesions=count)),
        )


def part_of(labels: Volume, height_mm: float, rng: np.random.Generator) -> Volume:
    """A part of an organ map along z, around a random slice that holds organs; all of it where it is not higher."""
    n, size = labels.array_zyx.shape[0], round(height_mm / labels.grid.spacing_mm[2])
    middle = int(rng.choice(np.flatnonzero(labels.array_zyx.any(axis=(1, 2)))))
    first = max(0, min(middle - size // 2, n - size))
    return crop(labels, (slice(first, first + size), slice(None), slice(None)))


def scored(store: ModelStore, study: Study, run: Run) -> Json:
    """Scores and seconds of one run of the whole pipeline."""
    clicks = simulate_clicks(study.truth, study.pet_suv, np.random.default_rng(FIRST_SEED))
    shown = click_steps(clicks)[run.clicks] if run.clicks else Clicks()
    case = PetCtCase("study", study.ct_hu, study.pet_suv, shown)
    begun, begun_cpu = time.perf_counter(), time.process_time()
    told = study.tracer if study.organs is not None else None
    result = segment(case, store, Limits(time_limit_s=float("inf"), depth=1, tracer=told), RECIPES[run.system])
    seconds = {"s": round(time.perf_counter() - begun, 2), "cpu_s": round(time.process_time() - begun_cpu, 2)}
    return figures(result.mask.array_zyx > 0, study) | seconds


def figures(mask: NDArray[np.bool_], study: Study) -> Json:
    """Dice, FPV and FNV of a mask."""
    found = score(mask, study.truth.array_zyx > 0, study.truth.grid.voxel_ml)
    return {"dice": found.dice, "fpv_ml": found.fpv_ml, "fnv_ml": found.fnv_ml}


def thresholds(study: Study) -> Json:
    """The figures of each fixed SUV threshold."""
    return {f"{suv:g}": figures(study.pet_suv.array_zyx >= suv, study) for suv in THRESHOLDS_SUV}


def peak_of(options: argparse.Namespace) -> float:
    """Peak memory in GB of this process once it has segmented the first phantom with one system."""
    _, study = next(studies(options, Tracer.FDG, 1))
    scored(ModelStore.open(options.weights), study, Run(options.peak_of, 0))
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


def apart(options: argparse.Namespace, system: str) -> float:
    """`peak_of` in a process of its own."""
    words = ["--data", str(options.data), "--json", str(options.json), "--peak-of", system]
    words += ["--height-mm", str(options.height_mm)]
    words += ["--weights", str(options.weights)] if options.weights else []
    command = [sys.executable, "-m", "benchmarks.systems", *words]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout.split()[-1])


def columns(cases: Json, subset: str) -> dict[str, list[Json]]:
    """The figures of each run over the cases of a subset, in the order of the recipes, the best threshold last."""
    held = [cases[key] for key in sorted(cases) if cases[key]["subset"] == subset]
    names = [name for name in held[0]["runs"] if all(name in one["runs"] for one in held)] if held else []
    names.sort(key=lambda name: list(RECIPES).index(name.partition(",")[0]))
    found = {name: [one["runs"][name] for one in held] for name in names}
    if held:
        best = max(held[0]["thresholds"], key=lambda suv: np.mean([one["thresholds"][suv]["dice"] for one in held]))
        found[f"SUV >= {best}"] = [one["thresholds"][best] for one in held]
    return found


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the means of resampled cases, 2,000 times."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(cases: Json, subsets: list[str]) -> str:
    """A table in Markdown: mean and spread of each run, and the paired difference in Dice to the first."""
    lines = []
    for subset in subsets:
        found = columns(cases, subset)
        if not found:
            continue
        n = len(next(iter(found.values())))
        lines += [
            f"\n{subset}, n = {n}\n",
            "| system | Dice (sd) | Dice against the first | FPV (ml) | FNV (ml) | CPU s |",
        ]
        lines += ["|---|---|---|---|---|---|"]
        first_name = next(iter(found))
        first = np.array([one["dice"] for one in found[first_name]])
        for name, runs in found.items():
            dice, fpv, fnv = (np.array([one[key] for one in runs]) for key in FIGURES)
            low, high = interval(dice - first)
            against = f"{(dice - first).mean():+.3f} ({low:+.3f} to {high:+.3f})" if name != first_name else ""
            cpu = f"{np.median([one['cpu_s'] for one in runs]):.0f}" if "cpu_s" in runs[0] else ""
            lines.append(f"| {name} | {_spread(dice, 3)} | {against} | {_spread(fpv, 1)} | {_spread(fnv, 1)} | {cpu} |")
    return "\n".join(lines)


def _spread(values: NDArray[np.float64], digits: int) -> str:
    """Mean and standard deviation of a sample."""
    return f"{values.mean():.{digits}f} ({values.std(ddof=1):.{digits}f})"


def draw(cases: Json, subsets: list[str], path: Path) -> None:
    """Boxes of Dice and of FPV for each run, one row for each subset."""
    figure = Figure(figsize=(11, 3.4 * len(subsets)), dpi=130, layout="constrained")
    grid = figure.subplots(len(subsets), 2, squeeze=False)
    for row, subset in zip(grid, subsets, strict=True):
        found = columns(cases, subset)
        for axes, key, label in zip(row, ("dice", "fpv_ml"), ("Dice", "false positive volume (ml)"), strict=True):
            axes.boxplot([[one[key] for one in runs] for runs in found.values()], orientation="horizontal")
            axes.set_yticks(range(1, len(found) + 1), list(found) if key == "dice" else [""] * len(found))
            axes.invert_yaxis()
            axes.set_xlabel(label)
            axes.set_title(f"{subset}, n = {len(next(iter(found.values()), []))}")
        row[1].set_xscale("symlog", linthresh=1)
        row[1].set_xlim(left=-0.05)  # volumes are not negative
    figure.savefig(path)


if __name__ == "__main__":
    main()
