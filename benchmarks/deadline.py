# SPDX-License-Identifier: Apache-2.0
"""`--depth deadline` against a real clock: how much of each limit is filled, and whether any is passed.

    python -m benchmarks.deadline --input DIR [--limits 20 60] [--tracer FDG] [--json FILE]

DIR holds a case in the platform's sockets (`petlesion phantom --out DIR` makes one below DIR/input). Each limit is one
cold process with the weights that are shipped. It ends with status 5 where the limit holds not even one sweep.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Json = dict[str, Any]


def main() -> None:
    """Run each limit, print a line for each, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, metavar="DIR")
    parser.add_argument("--limits", type=float, nargs="+", default=[20.0, 60.0], metavar="SECONDS")
    parser.add_argument("--tracer", choices=("auto", "FDG", "PSMA"), default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found = [under(limit_s, options.input.resolve(), options.tracer) for limit_s in options.limits]
    if options.json:
        head = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count()}
        options.json.write_text(json.dumps(head | {"limits": found}, indent=1) + "\n", encoding="utf-8")


def under(limit_s: float, case: Path, tracer: str) -> Json:
    """One run under a limit."""
    with tempfile.TemporaryDirectory(prefix="deadline-") as folder:
        out = Path(folder)
        words = ["process.py", "--input", str(case), "--output", str(out), "--depth", "deadline", "--tracer", tracer,
                 "--time-limit", str(limit_s)]  # fmt: skip
        load, begun = os.getloadavg()[0], time.monotonic()
        done = subprocess.run([sys.executable, *words], cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True)
        seconds = round(time.monotonic() - begun, 1)
        report = out / "report.json"
        stages = json.loads(report.read_text(encoding="utf-8"))["stages"] if report.exists() else []
    found = {
        "limit_s": limit_s,
        "seconds": seconds,
        "kept": seconds <= limit_s,
        "status": done.returncode,
        "sweeps": sum(len(stage["sweeps_done"]) for stage in stages),
        "planned": sum(stage["sweeps_planned"] for stage in stages),
        "last_line": done.stderr.strip().splitlines()[-1],
        "load": round(load, 1),
    }
    print(json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    main()
