# SPDX-License-Identifier: Apache-2.0
"""How long a click waits in `petlesion review`, and whether its answer is that of a full run.

    python -m benchmarks.review --ct CT --pet PET [--clicks 4] [--depth 1] [--threads 2] [--check] [--json FILE]

Opens the case as the review does (reading and weights apart: `open`), asks for the first answer, which is to no clicks,
then sets clicks one after the other: tumour clicks on the hottest voxel that is neither in the mask nor within 5 cm of
a former click, and last a background click on the hottest voxel in the mask. Printed for each answer as it comes:
seconds on the clock, CPU seconds of the process (all threads), tiles computed and reused, lesions. With --check each
mask is compared with that of `pipeline.segment` without memory, voxel for voxel.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.challenge import read_files
from petlesion.clicks import Clicks
from petlesion.entry import open_store
from petlesion.options import add_run_options, run_options
from petlesion.pipeline import segment
from petlesion.read_options import ReadOptions
from petlesion.review.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from petlesion.review.session import Answer
    from petlesion.volume import Index

APART_MM = 50.0


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, required=True)
    parser.add_argument("--pet", type=Path, required=True)
    parser.add_argument("--clicks", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", type=Path)
    add_run_options(parser)
    parser.set_defaults(depth=1, device="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = run(arguments)
    print(json.dumps({name: figures[name] for name in ("threads", "load", "open")}))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one review."""
    options = run_options(arguments, time.monotonic())
    engine, opened = clocked(
        lambda: Engine.of(read_files(arguments.ct, arguments.pet, None, ReadOptions()), options, open_store(options))
    )
    clicks, rows = Clicks(), []
    for number in range(arguments.clicks + 1):
        (answer, tiles), spent = clocked(lambda given=clicks: engine.answer(given, lambda _: None))
        row = {"clicks": len(clicks), **spent, "tiles": tiles, "lesions": len(answer.lesions)}
        rows.append(row | {"seconds": answer.report["seconds"]})
        if arguments.check:
            case = replace(engine.admission.case, clicks=clicks)
            limits = replace(options.limits, started_s=None)
            full, spent = clocked(lambda case=case, limits=limits: segment(case, engine.store, limits, options.recipe))
            same = bool(np.array_equal(full.mask.array_zyx > 0, answer.mask.unpacked()))
            rows[-1] |= {"same_as_full_run": same, "full_run": spent}
        print(json.dumps(rows[-1]), flush=True)
        clicks = next_clicks(engine, answer, clicks, background=number == arguments.clicks - 1)
    return {"threads": arguments.threads, "load": os.getloadavg(), "open": opened, "answers": rows}


def clocked(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What the work gives, and its seconds on the clock and of CPU."""
    wall, cpu = time.monotonic(), time.process_time()
    done = work()
    return done, {"wall_s": round(time.monotonic() - wall, 2), "cpu_s": round(time.process_time() - cpu, 2)}


def next_clicks(engine: Engine, answer: Answer, clicks: Clicks, *, background: bool) -> Clicks:
    """One click more."""
    case, inside = engine.admission.case, answer.mask.unpacked()
    free = inside.copy() if background and inside.any() else ~inside
    index_xyz = np.indices(inside.shape)[::-1]
    for point in clicks.tumor_xyz:
        away = [(axis - i) * mm for axis, i, mm in zip(index_xyz, point, case.grid.spacing_mm, strict=True)]
        free &= np.sqrt(sum(one**2 for one in away)) > APART_MM
    z, y, x = np.unravel_index(np.where(free, case.pet_suv.array_zyx, -np.inf).argmax(), inside.shape)
    point: Index = (int(x), int(y), int(z))
    return clicks.joined(Clicks((), (point,)) if background else Clicks((point,)))


if __name__ == "__main__":
    main()
