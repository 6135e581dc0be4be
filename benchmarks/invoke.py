# SPDX-License-Identifier: Apache-2.0
"""Many cases in a row through one server: its memory, and whether each mask is that of a process of its own.

    python -m benchmarks.invoke --work DIR [--cases 100] [--distinct 4] [--edge 32] [--weights DIR] [--json OUT]
                                [-- OPTION ...]

The distinct cases are cubes of `--edge` (and a little more) voxels of 8 mm cut out of phantoms, with clicks and
without; each goes through `process.py` once, which gives its twin. Then one server takes them by turns, with a case
that must be refused before every tenth. What stands after `--` goes to both. The memory is what the server's
process has for itself after each answer, without the pages of files, which the kernel takes away and gives back as it
likes; the exit status is 1 where it grew by more than 5 % from the tenth case to the last, or where a mask differs
from its twin.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from petlesion.case import Tracer
from petlesion.challenge import MASK_SLUG
from petlesion.phantom import make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid

PROCESS = Path(__file__).resolve().parents[1] / "process.py"
GRID = Grid((60, 60, 80), (8.0, 8.0, 10.0))
GROWTH = 0.05  # of the memory, from the tenth case to the last
START_S, CASE_S, END_S = 600, 600, 60


def main() -> int:
    """Make the cases and their twins, call the server, print and keep the figures; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder for cases and masks")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--distinct", type=int, default=4)
    parser.add_argument("--edge", type=int, default=32, metavar="VOXELS")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: as process.py")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="for process.py")
    asked = parser.parse_args()
    options = [*asked.options, *(["--weights", str(asked.weights)] if asked.weights else [])]
    cases = [make_case(asked.work / f"case{n}", n, asked.edge + 2 * n) for n in range(asked.distinct)]
    begun = time.monotonic()
    twins = [alone(case, asked.work, options) for case in cases]
    print(f"{len(cases)} cases by themselves: {time.monotonic() - begun:.0f} s", flush=True)
    figures = measured(cases, twins, asked, options)
    print(json.dumps({key: value for key, value in figures.items() if key != "own_mb"}, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if figures["growth"] <= GROWTH and not figures["masks_that_differ"] else 1


def make_case(folder: Path, seed: int, edge: int) -> Path:
    """The sockets of a cube around a lesion of a phantom; every other case has no clicks."""
    rng = np.random.default_rng(seed)
    phantom = make_phantom(list(Tracer)[seed % 2], rng, grid=GRID, n_lesions=5)
    clicks = simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=1, n_background=0)
    middle = clicks.tumor_xyz[0]
    low = [min(max(0, i - edge // 2), n - edge) for i, n in zip(middle, GRID.size_xyz, strict=True)]
    shutil.rmtree(folder, ignore_errors=True)
    write_phantom(phantom, folder / "whole")
    for kind in ("ct", "pet"):
        (source,) = (folder / "whole/input/images" / kind).iterdir()
        (folder / "input/images" / kind).mkdir(parents=True)
        cube = sitk.RegionOfInterest(sitk.ReadImage(str(source)), [edge] * 3, low)
        sitk.WriteImage(cube, str(folder / "input/images" / kind / source.name))
    if seed % 2 == 0:
        point = {"point": [i - j for i, j in zip(middle, low, strict=True)], "name": "tumor"}
        (folder / "input/lesion-clicks.json").write_text(json.dumps({"points": [point]}), encoding="utf-8")
    return folder / "input"


def alone(case: Path, work: Path, options: list[str]) -> tuple[bytes, int]:
    """The case's mask by a process of its own, and the voxels of its lesions."""
    put(case, work)
    words = [sys.executable, str(PROCESS), "--input", str(work / "input"), "--output", str(work / "output"), *options]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    report = json.loads((work / "output/report.json").read_text(encoding="utf-8"))
    return mask_in(work), sum(lesion["n_voxels"] for lesion in report["lesions"])


def put(case: Path, work: Path) -> None:
    """What the platform does between two cases: empty the output, link the next input."""
    shutil.rmtree(work / "output", ignore_errors=True)
    (work / "output").mkdir()
    (work / "input").unlink(missing_ok=True)
    (work / "input").symlink_to(case.absolute(), target_is_directory=True)


def mask_in(work: Path) -> bytes:
    """The one mask, byte for byte."""
    (path,) = (work / "output/images" / MASK_SLUG).iterdir()
    return path.read_bytes()


def measured(
    cases: list[Path], twins: list[tuple[bytes, int]], asked: argparse.Namespace, options: list[str]
) -> dict[str, Any]:
    """Start a server, send it the cases by turns, stop it; the figures."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--input", str(asked.work / "input"), "--output", str(asked.work / "output")]
    how = ["--api-method", "invoke", "--host", "127.0.0.1", "--port", str(port)]
    with (asked.work / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, str(PROCESS), *where, *how, *options], stderr=log)
        begun = time.monotonic()
        wait_until_healthy(port, begun + START_S)
        healthy_s = time.monotonic() - begun
        masks = [mask for mask, _ in twins]
        own, seconds, differing, refused = call_all(cases, masks, asked, port, server.pid)
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        status = server.wait(END_S)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}",
        "cases": asked.cases,
        "distinct": len(cases),
        "refused_between": refused,
        "masks_that_differ": differing,
        "lesion_voxels": [voxels for _, voxels in twins],
        "own_mb_after_10": own[min(9, len(own) - 1)],
        "own_mb_after_all": own[-1],
        "growth": round(own[-1] / own[min(9, len(own) - 1)] - 1, 4),
        "seconds_until_healthy": round(healthy_s, 1),
        "median_seconds_a_call": round(float(np.median(seconds)), 2),
        "seconds_to_end": round(time.monotonic() - begun, 2),
        "exit_status": status,
        "own_mb": own,
    }


def call_all(
    cases: list[Path], twins: list[bytes], asked: argparse.Namespace, port: int, pid: int
) -> tuple[list[float], list[float], list[int], int]:
    """MB and seconds of each case, the numbers of those with another mask than their twin, refusals."""
    own, seconds, differing, refused = [], [], [], 0
    for number in range(asked.cases):
        if number % 10 == 9:
            put(asked.work / "nothing", asked.work)
            refused += ask(port, "POST", "/invoke", CASE_S) == 422
        put(cases[number % len(cases)], asked.work)
        begun = time.monotonic()
        status = ask(port, "POST", "/invoke", CASE_S)
        seconds.append(time.monotonic() - begun)
        if status != 201 or mask_in(asked.work) != twins[number % len(cases)]:
            differing.append(number)
        own.append(own_mb(pid))
        if number % 10 == 9:
            print(f"{number + 1} cases, {own[-1]:.1f} MB, {seconds[-1]:.1f} s", flush=True)
    return own, seconds, differing, refused


def wait_until_healthy(port: int, until_s: float) -> None:
    """Ask for the server's health until it is good."""
    while time.monotonic() < until_s:
        try:
            if ask(port, "GET", "/health", 10) == 200:
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.2)
    raise SystemExit("the server did not become healthy")


def ask(port: int, method: str, path: str, timeout_s: float) -> int:
    """The status of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()


def own_mb(pid: int) -> float:
    """Memory that a process has for itself now."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kb = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    return round(kb * 1024 / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
