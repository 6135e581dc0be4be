# SPDX-License-Identifier: Apache-2.0
"""Kills at random moments: what lies in the output folder afterwards, and how long SIGTERM takes.

    python -m benchmarks.kills [--kills 200] [--fresh 10] [--seconds S] [--seed 1]

A ball of uptake in a block of soft tissue is segmented with the shipped weights, one fold and eight flips, into one
output folder, over and over. Each run is ended by SIGTERM or SIGKILL, in turn, at a random moment between its start and
the time of an undisturbed run. Most runs are forks of a process that has paid for the imports, so that the moments fall
on the case; every `--fresh`th is an interpreter of its own, so that some fall on the imports. After each kill each
file in the folder of masks must be whole; after the last one, a run left alone must leave its mask and report only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import runpy
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
PROCESS = str(ROOT / "process.py")
MASKS = "images/tumor-lesion-segmentation"
TERMINATED = 143
SIZE, SPACING_MM = 12, 16.0  # one window of the shipped networks
OPTIONS = ("--depth", "8", "--folds", "0", "--device", "cpu", "--tracer", "FDG")


@dataclass
class Tally:
    """What the kills did."""

    corrupt: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    sigterm_s: list[float] = field(default_factory=list)

    def count(self, how: str, status: int) -> None:
        """Count an exit status."""
        key = f"{how}: {status}"
        self.statuses[key] = self.statuses.get(key, 0) + 1


def write_case(folder: Path) -> None:
    """CT and PET in the platform's sockets."""
    distance = np.linalg.norm(np.indices((SIZE,) * 3) - (SIZE - 1) / 2, axis=0)
    arrays = {"ct": np.where(distance < 5, 40, -1000), "pet": np.where(distance < 2, 9, np.where(distance < 5, 1, 0))}
    for kind, array in arrays.items():
        path = folder / "input/images" / kind / "case.mha"
        path.parent.mkdir(parents=True)
        image = sitk.GetImageFromArray(array.astype(np.float32))
        image.SetSpacing((SPACING_MM,) * 3)
        sitk.WriteImage(image, str(path), True)  # noqa: FBT003 - compressed; SimpleITK takes no keyword


def forked(arguments: list[str]) -> int:
    """Start process.py in a fork of this process; its process id."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.argv = [PROCESS, *arguments]
        status: object = 70
        try:
            runpy.run_path(PROCESS, run_name="__main__")
        except SystemExit as ended:
            status = ended.code
        finally:
            os._exit(status if isinstance(status, int) else 70)
    return child


def fresh(arguments: list[str]) -> int:
    """Start process.py in an interpreter of its own; its process id."""
    return os.posix_spawn(
        sys.executable,
        [sys.executable, PROCESS, *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)],
    )


def ended(child: int) -> int:
    """Wait for a process; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def examine(output: Path, size: tuple[int, ...], tally: Tally) -> None:
    """Every file in the folder of masks must be a whole mask, and each report whole JSON."""
    for path in (output / MASKS).iterdir() if (output / MASKS).is_dir() else ():
        try:
            image = sitk.ReadImage(str(path))
            good = path.suffix == ".mha" and image.GetSize() == size and image.GetPixelID() == sitk.sitkUInt8
            good = good and set(np.unique(sitk.GetArrayViewFromImage(image))) <= {0, 1}
        except RuntimeError:
            good = False
        if not good:
            tally.corrupt.append(path.name)
    report = output / "report.json"
    if report.exists():
        try:
            json.loads(report.read_text(encoding="utf-8"))
        except ValueError:
            tally.corrupt.append(report.name)


def kill_runs(folder: Path, options: argparse.Namespace, tally: Tally) -> float:
    """All kills, and then one run that is left alone; the seconds of the undisturbed run before them."""
    rng = random.Random(options.seed)  # noqa: S311 - moments, no secrets
    output = folder / "out"
    arguments = ["--input", str(folder / "input"), "--output", str(output), *OPTIONS]
    lasting = {}
    for start in (forked, fresh):
        begun = time.monotonic()
        if ended(start(arguments)) != 0:
            raise SystemExit("the undisturbed run failed")
        lasting[start] = time.monotonic() - begun
    ends_s = time.monotonic() + options.seconds
    for number in range(options.kills):
        if time.monotonic() > ends_s:
            break
        start = fresh if options.fresh and number % options.fresh == options.fresh - 1 else forked
        how = (signal.SIGTERM, signal.SIGKILL)[number // 2 % 2]
        child = start(arguments)
        time.sleep(rng.uniform(0.0, 1.05 * lasting[start]))
        begun = time.monotonic()
        os.kill(child, how)  # one that has ended is still there to be waited for
        status = ended(child)
        if how is signal.SIGTERM and status == TERMINATED:
            tally.sigterm_s.append(time.monotonic() - begun)
        tally.count(how.name, status)
        examine(output, (SIZE,) * 3, tally)
    if ended(forked(arguments)) != 0:
        raise SystemExit("the run after the kills failed")
    files = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir())
    tally.left_over = [name for name in files if name != "report.json" and Path(name).parent.as_posix() != MASKS]
    tally.left_over += [path.name for path in output.iterdir() if path.name.startswith(".")]
    if len(list((output / MASKS).iterdir())) != 1:
        tally.left_over.append("more than one mask")
    return lasting[forked]


def main() -> None:
    """Kill, count, and end with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--fresh", type=int, default=10, help="every so manieth run is no fork; 0: none")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no kill after so many seconds")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    import petlesion.entry  # noqa: F401, PLC0415 - what forks need not import

    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        write_case(Path(folder))
        undisturbed_s = kill_runs(Path(folder), options, tally)
    slowest_s = max(tally.sigterm_s, default=0.0)
    print(f"{sum(tally.statuses.values())} kills; an undisturbed fork takes {undisturbed_s:.1f} s")
    print("exit statuses: " + ", ".join(f"{key} {count} times" for key, count in sorted(tally.statuses.items())))
    print(f"corrupt files: {len(tally.corrupt)} {tally.corrupt}; left over: {len(tally.left_over)} {tally.left_over}")
    print(f"SIGTERM: {len(tally.sigterm_s)} runs ended with 143, the slowest after {slowest_s:.2f} s")
    # -15, which a shell shows as 143: the interpreter had not come to the first line of ours.
    known = {"SIGTERM: 143", "SIGTERM: -15", "SIGTERM: 0", f"SIGKILL: -{int(signal.SIGKILL)}", "SIGKILL: 0"}
    if tally.corrupt or tally.left_over or slowest_s > 5 or set(tally.statuses) - known:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
