# SPDX-License-Identifier: Apache-2.0
"""The full-size mesbah network trained on four phantoms: two iterations, checkpoint, SIGKILL, two more.

    python -m benchmarks.full_training [--json OUT] [--patch 192] [--batch 1] [--work DIR] [--resident]

`petlesion phantom` makes four studies, `petlesion prepare` the data set with the recipe's network (102.4 M parameters
and the organ head), and `petlesion train` runs in a process of its own: an epoch of two iterations and one validation
batch, the checkpoint, a kill, then the same with --resume. Activations are computed twice unless --resident is given:
on a CPU, in fp32, those of a patch of 192^3 take more memory than most machines have. Nothing is learned here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from petlesion.case import Tracer
from petlesion.recipes import MESBAH
from petlesion.training.dataset import Preparation, prepare_dataset
from petlesion.training.layouts import find_studies

ROOT = Path(__file__).resolve().parents[1]
SHAPE, SPACING_MM = "48,48,70", "8,8,9"  # 384 x 384 x 630 mm: one patch of 192^3 and a little more
MODEL = "PetlesionTrainerFDG__petlesionPlans__3d_fullres"
FOLD = Path("results", "Dataset701_mesbah_fdg", MODEL, "fold_0")


def petlesion(*words: object) -> list[str]:
    """A command line of this package."""
    return [sys.executable, "-m", "petlesion", *map(str, words)]


def make_phantoms(folder: Path) -> dict[str, Any]:
    """Four studies in the platform's sockets; those of an earlier run are kept."""
    for seed in [seed for seed in range(1, 5) if not (folder / f"phantom_{seed}" / "truth.json").exists()]:
        words = ("--tracer", "FDG", "--seed", seed, "--shape", SHAPE, "--spacing", SPACING_MM, "--lesions", 3)
        subprocess.run(petlesion("phantom", *words, "--out", folder / f"phantom_{seed}"), check=True, cwd=ROOT)
    return {"studies": 4}


def prepare(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The data set, at full size but for the batch and, where another is asked for, the patch."""
    network = replace(MESBAH.training.network, patch_zyx=(arguments.patch,) * 3)
    schedule = replace(MESBAH.training, network=network, batch_size=arguments.batch)
    preparation = Preparation(replace(MESBAH, training=schedule), Tracer.FDG, n_folds=2)
    folders = prepare_dataset(find_studies(work / "studies"), work / "prepared", preparation)
    return {
        "bytes": sum(path.stat().st_size for path in (work / "prepared").rglob("*") if path.is_file()),
        "data_set": folders.preprocessed.name,
    }


def train(work: Path, arguments: argparse.Namespace, *, kill: bool) -> dict[str, Any]:
    """One run of `petlesion train`; it is killed once its first checkpoint is there, or runs to its end."""
    words = ["--data", work / "prepared", "--role", "fdg", "--fold", 0, "--out", work / "results"]
    words += ["--epochs", 2, "--iterations", 2, "--validation-iterations", 1, "--save-every", 1, "--workers", 0]
    words += ["--device", "cpu", "--no-validation", "--resume"]
    words += [] if arguments.resident else ["--checkpoint-activations"]
    with (work / f"train_{'first' if kill else 'resumed'}.txt").open("w") as log:
        process = subprocess.Popen(petlesion("train", *words), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        while kill and process.poll() is None and not (work / FOLD / "checkpoint_latest.pth").exists():
            time.sleep(1)
        if kill and process.returncode is not None:
            raise RuntimeError(f"the training ended before its first checkpoint; {log.name} says why")
        if kill:
            process.send_signal(signal.SIGKILL)
        _, _, usage = os.wait4(process.pid, 0) if process.returncode is None else (0, 0, None)
    text = Path(log.name).read_text()
    return {
        "epochs": re.findall(r"Epoch (\d+)", text),
        "train_loss": re.findall(r"train_loss (\S+)", text),
        "epoch_s": re.findall(r"Epoch time: (\S+) s", text),
        "peak_bytes": usage.ru_maxrss * 1024 if usage else None,
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1) if usage else None,
    }


def timed(name: str, figures: dict[str, Any], begun: float) -> dict[str, Any]:
    """The figures of a part with its time; printed."""
    figures = {"seconds": round(time.perf_counter() - begun, 1)} | figures
    print(f"{name:9}", json.dumps(figures), flush=True)
    return figures


def measure(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All parts in order."""
    figures = {}
    parts = {
        "phantoms": lambda: make_phantoms(work / "studies"),
        "prepare": lambda: prepare(work, arguments),
        "killed": lambda: train(work, arguments, kill=True),
        "resumed": lambda: train(work, arguments, kill=False),
    }
    for name, part in parts.items():
        begun = time.perf_counter()
        figures[name] = timed(name, part(), begun)
    figures["checkpoint_bytes"] = (work / FOLD / "checkpoint_final.pth").stat().st_size
    figures["peak_bytes_here"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return figures


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder for everything; kept")
    parser.add_argument("--patch", type=int, default=192, help="edge of the patch in voxels, a multiple of 32")
    parser.add_argument("--batch", type=int, default=1, help="patches of a step (the recipe has 3)")
    parser.add_argument("--resident", action="store_true", help="keep activations instead of computing them twice")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="full-training-") as folder:
        figures = measure((arguments.work or Path(folder)).resolve(), arguments)
    machine = {"cpu": platform.processor() or platform.machine(), "torch": torch.__version__}
    setting = {"patch": arguments.patch, "batch": arguments.batch, "threads": os.environ.get("OMP_NUM_THREADS")}
    if arguments.json:
        arguments.json.write_text(json.dumps(machine | setting | figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
