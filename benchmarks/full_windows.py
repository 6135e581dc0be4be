# SPDX-License-Identifier: Apache-2.0
"""One full-size window of every system's networks on the CPU: seconds and memory.

    python -m benchmarks.full_windows [--systems mesbah ...] [--threads N] [--json OUT]

Weights are random, fp32; the speed does not hang on them. Each network runs in a process of its own, so that its peak
memory is its own. The CPU seconds are what counts where a machine is shared.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from petlesion.inference.allocator import keep_freed_memory
from petlesion.inference.networks import count_parameters
from petlesion.recipes import RECIPES
from petlesion.training.full_size import full_size

if TYPE_CHECKING:
    from petlesion.recipe import Member, Recipe, Stage

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run every network asked for, each apart, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("--inside", metavar="ROLE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        recipe = RECIPES[options.systems[0]]
        print(json.dumps(window(recipe, *recipe.placed(options.inside), options.threads)))
        return
    rows = [apart(name, member.role, options.threads) for name in options.systems for member in RECIPES[name].members()]
    if options.json:
        machine = f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}"
        head = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "threads": options.threads}
        options.json.write_text(json.dumps(head | {"windows": rows}, indent=1) + "\n", encoding="utf-8")


def window(recipe: Recipe, stage: Stage, member: Member, threads: int) -> dict[str, Any]:
    """One pass of one window through the network."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    full = full_size(recipe, stage, member)
    network = full.network.eval()
    image = torch.randn(1, len(stage.channels), *full.patch, generator=torch.Generator().manual_seed(0))
    begun, begun_cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        output = network(image)
    full_resolution = output[0] if isinstance(output, list | tuple) else output
    return {
        "system": recipe.name,
        "role": member.role,
        "network": type(network).__name__,
        "million_parameters": round(count_parameters(network) / 1e6, 1),
        "patch": list(full.patch),
        "output_shape": list(full_resolution.shape),
        "seconds": round(time.perf_counter() - begun, 2),
        "cpu_seconds": round(time.process_time() - begun_cpu, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }


def apart(system: str, role: str, threads: int) -> dict[str, Any]:
    """One network in a process of its own."""
    words = ["-m", "benchmarks.full_windows", "--systems", system, "--inside", role, "--threads", str(threads)]
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(", ".join(f"{key} {value}" for key, value in figures.items()), flush=True)
    return figures


if __name__ == "__main__":
    main()
