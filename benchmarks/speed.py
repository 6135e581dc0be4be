# SPDX-License-Identifier: Apache-2.0
"""petlesion beside stock nnU-Net, in turn: the same weights, case, folds, flips and step, a cold process each.

    python -m benchmarks.speed [--runs whole-body resampled growth] [--json FILE] [--picture FILE] [--work DIR]
                               [--repeats N] [--sides petlesion stock] [--flips N] [--mvox N ...]

`whole-body` is 400x400x326 voxels of (2.0364, 2.0364, 3) mm, patch 192^3, step 0.5, one fold: 48 tiles without the body
crop. `resampled` is 200x200x425 of (4.07, 4.07, 2) mm, patch 96^3, step 0.6, two folds: 245 tiles a fold. Both have
networks of 8, 16, 32 and 32 features, whose masks follow the PET, and ten clicks of each kind. `long-body` is
`whole-body` on 400x400x1000 voxels, for its memory. `full-size` is the case of `whole-body` with networks as published
(102 million parameters, random weights), five folds and eight flips: for a GPU only. `toy` and `full-size-toy` are
small, to try the command out. `growth` is petlesion alone, with the shipped weights, one fold without flips, on 9, 26,
52, 106 and 160 million voxels. On a machine with a GPU both sides use it.

Wall seconds, CPU seconds and peak memory are those of the whole process, as its parent sees them; `load` is the
machine's load average before each. Where other work runs on the machine, the CPU seconds and the ratios of one run are
what counts. `passes_per_s` and `tflops` are the network's, over the seconds of the sweeps; `gpu_peak_gb` is what torch
gave out at most. An existing --json keeps its other runs. --work keeps phantoms and weights for the next call.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import SimpleITK as sitk
import torch

from benchmarks.full_size import TFLOP_192
from benchmarks.small_networks import (
    PATIENT_SPACING_MM,
    following_state,
    full_plans,
    random_state,
    small_plans,
    write_both,
)
from benchmarks.speed_picture import draw
from petlesion.case import Tracer
from petlesion.inference.tiles import Tiling
from petlesion.metrics import dice
from petlesion.phantom import make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from petlesion.volume import Index, Triple

ROOT = Path(__file__).resolve().parents[1]
SIDES = ("petlesion", "stock")
N_CLICKS = 10
Json = dict[str, Any]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Setting:
    """One case, which `petlesion phantom` draws from its seed, with the networks that segment it."""

    seed: int
    size_xyz: Index
    spacing_mm: Triple
    tracer: Tracer
    patch: Index
    step: float
    folds: tuple[int, ...]
    network_spacing_zyx_mm: Triple = PATIENT_SPACING_MM
    flips: int = 1
    full_size: bool = False


SETTINGS = {
    "whole-body": Setting(1, (400, 400, 326), (2.0364, 2.0364, 3.0), Tracer.FDG, (192, 192, 192), 0.5, (0,)),
    "resampled": Setting(2, (200, 200, 425), (4.07, 4.07, 2.0), Tracer.PSMA, (96, 96, 96), 0.6, (0, 1)),
    "long-body": Setting(1, (400, 400, 1000), (2.0364, 2.0364, 3.0), Tracer.FDG, (192, 192, 192), 0.5, (0,)),
    "full-size": Setting(
        1,
        (400, 400, 326),
        (2.0364, 2.0364, 3.0),
        Tracer.FDG,
        (192, 192, 192),
        0.5,
        (0, 1, 2, 3, 4),
        flips=8,
        full_size=True,
    ),
    "full-size-toy": Setting(
        1, (80, 80, 80), (8.0, 8.0, 12.0), Tracer.FDG, (64, 64, 64), 1.0, (0,), (12.0, 8.0, 8.0), full_size=True
    ),
    "toy": Setting(1, (80, 80, 80), (8.0, 8.0, 12.0), Tracer.FDG, (48, 48, 48), 0.5, (0,), (12.0, 8.0, 8.0)),
}
GROWTH_XYZ: dict[int, Index] = {  # million voxels: size at 2.0364 x 2.0364 x 3 mm
    9: (168, 168, 326),
    26: (282, 282, 326),
    52: (400, 400, 326),
    106: (400, 400, 662),
    160: (400, 400, 1000),
}


def main() -> None:
    """Run what is asked for, keep the figures after each process, and draw them."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        work = (options.work or Path(folder)).resolve()
        for name in options.runs:
            if name == "growth":
                for mvox in options.mvox:
                    keep(options.json, "growth", {str(mvox): growth(mvox, work)})
                continue
            found: Json = {}
            for turn in range(options.repeats):
                for side in options.sides:
                    flips = options.flips or SETTINGS[name].flips
                    found.setdefault(side, []).append(one(side, SETTINGS[name], work / name, flips))
                    print(name, turn + 1, side, json.dumps(found[side][-1]), flush=True)
                    keep(options.json, name, summary(found, work / name))
    if options.picture and options.json:
        draw(json.loads(options.json.read_text(encoding="utf-8")), options.picture)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = (*SETTINGS, "growth")
    parser.add_argument("--runs", nargs="+", choices=runs, default=["whole-body", "resampled", "growth"])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--mvox", nargs="+", type=int, choices=GROWTH_XYZ, default=list(GROWTH_XYZ))
    parser.add_argument("--flips", type=int, choices=(1, 2, 4, 8), help="default: 1; 8 for full-size")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--work", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    return parser.parse_args()


def one(side: str, setting: Setting, work: Path, flips: int) -> Json:
    """One cold process of one side."""
    case, folder, store = apart(make, setting, work)
    folds, out = ",".join(map(str, setting.folds)), work / side
    out.mkdir(exist_ok=True)
    if side == "stock":
        words = ["-m", "benchmarks.stock_nnunet", "--input", str(case), "--model", str(folder), "--folds", folds,
                 "--step", str(setting.step), "--flips", str(flips), "--out", str(out / "mask.mha")]  # fmt: skip
        figures, printed = process(words)
        memory, seconds = (json.loads(line) for line in printed.splitlines()[-2:])
        size = tuple(round(n * mm / own) for n, mm, own in zip(setting.size_xyz[::-1], setting.spacing_mm[::-1],
                     setting.network_spacing_zyx_mm, strict=True))  # fmt: skip
        found = figures | memory | {"by_stage_s": seconds}
        return found | throughput(setting, size, len(setting.folds) * flips, seconds["network"])
    found = petlesion(case, out, ["--weights", str(store), "--folds", folds, "--tile-step", str(setting.step),
                      "--depth", str(flips), "--tracer", setting.tracer])  # fmt: skip
    return found | throughput(setting, found["network_zyx"], found["sweeps"], found["by_stage_s"]["sweeps"])


def throughput(setting: Setting, shape_zyx: Sequence[int], sweeps: int, seconds: float) -> Json:
    """Passes of the network in so many sweeps over an array, and how many it did a second.

    For full-size networks also the arithmetic, 4.87 TFLOP for a patch of 192^3, to hold against the card's peak.
    """
    passes = sweeps * Tiling.of(shape_zyx, setting.patch, setting.step).n_tiles
    found: Json = {"passes": passes, "passes_per_s": round(passes / seconds, 3)}
    if setting.full_size:
        found["tflops"] = round(passes / seconds * TFLOP_192 * math.prod(setting.patch) / 192**3, 3)
    return found


def petlesion(case: Path, out: Path, options: Sequence[str]) -> Json:
    """One cold run of process.py."""
    words = [
        "-m",
        "benchmarks.with_gpu_memory",
        "--input",
        str(case),
        "--output",
        str(out),
        "--time-limit",
        "0",
        *options,
    ]
    figures, printed = process(words)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    stage = report["stages"][0]
    box = [b - a for a, b in zip(*stage["box_zyx"], strict=True)]
    found = {"by_stage_s": report["seconds"], "box_zyx": box, "network_zyx": stage["network_shape_zyx"]}
    return figures | json.loads(printed.splitlines()[-1]) | found | {"sweeps": len(stage["sweeps_done"])}


def process(words: Sequence[str]) -> tuple[Json, str]:
    """Run Python in a process of its own: its figures, and what it printed."""
    load, begun = os.getloadavg()[0], time.monotonic()
    child = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    printed = ""
    if child.stdout:
        with child.stdout:
            printed = child.stdout.read().decode()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"speed: {' '.join(words)} ended with {child.returncode}")
    return {
        "wall_s": round(wall, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss * 1024 / 1e9, 2),
        "load": round(load, 1),
    }, printed


def apart(make: Callable[..., Made], *arguments: object) -> Made:
    """`make(*arguments)` in a process of its own: a child's peak memory begins with what its parent has held."""
    with ProcessPoolExecutor(1, get_context("spawn")) as maker:
        return maker.submit(make, *arguments).result()


def make(setting: Setting, work: Path) -> tuple[Path, Path, Path]:
    """The case's sockets, the folder of nnU-Net and the store; made where they are not there yet."""
    case = phantom(setting.tracer, setting.seed, Grid(setting.size_xyz, setting.spacing_mm), work)
    if not (work / "store" / "manifest.json").exists():
        roles, spacing = (setting.tracer.lower(),), setting.network_spacing_zyx_mm
        plans = full_plans(setting.patch, spacing) if setting.full_size else small_plans(setting.patch, spacing)
        state = random_state if setting.full_size else following_state
        write_both(work, plans, setting.folds, roles, state)
    return case, work / "nnunet", work / "store"


def phantom(tracer: Tracer, seed: int, grid: Grid, work: Path) -> Path:
    """The sockets of a phantom with ten clicks of each kind; made where they are not there yet."""
    if not (work / "truth.json").exists():
        rng = np.random.default_rng(seed)
        made = make_phantom(tracer, rng, grid=grid)
        clicks = simulate_clicks(made.truth, made.pet_suv, rng, n_tumor=N_CLICKS, n_background=N_CLICKS)
        write_phantom(made, work, clicks)
    return work / "input"


def growth(mvox: int, work: Path) -> Json:
    """A case of so many million voxels through petlesion alone, with the weights that are shipped."""
    place = work / f"growth-{mvox}"
    case = apart(phantom, Tracer.FDG, 1, Grid(GROWTH_XYZ[mvox], (2.0364, 2.0364, 3.0)), place)
    (place / "out").mkdir(exist_ok=True)
    found = petlesion(case, place / "out", ["--folds", "0", "--depth", "1"])
    print("growth", mvox, json.dumps(found), flush=True)
    return found


def summary(found: Json, work: Path) -> Json:
    """The runs of both sides, how many times stock costs as much, and how alike their masks are."""
    masks = {side: next((work / side).rglob("*.mha"), None) for side in found}
    if len(found) < len(SIDES) or None in masks.values():
        return found
    means = {side: {key: np.mean([run[key] for run in runs]) for key in ("wall_s", "cpu_s", "peak_gb")}
             for side, runs in found.items()}  # fmt: skip
    ratios = {key: round(float(means["stock"][key] / means["petlesion"][key]), 2) for key in means["stock"]}
    arrays = [sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0 for path in masks.values()]
    return found | {"stock_over_petlesion": ratios, "dice_of_the_masks": round(float(dice(*arrays)), 5)}


def keep(path: Path | None, name: str, found: Json) -> None:
    """Put a run's figures into the JSON, beside those of the other runs."""
    if path is None:
        return
    held: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    machine = f"{os.cpu_count()} CPU cores ({processor()}), {platform.machine()}, torch {torch.__version__}"
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    head = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "threads": threads}
    former = held.get(name, {}) if name == "growth" else {}
    held[name] = former | head | found
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def processor() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


if __name__ == "__main__":
    main()
