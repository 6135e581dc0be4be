# SPDX-License-Identifier: Apache-2.0
"""The full-size mesbah network on this machine: import of five folds, load of the store, one forward pass.

    python -m benchmarks.full_size [--json OUT] [--parts folder import load forward] [--work DIR]

`folder` writes a model folder of nnU-Net as a trainer leaves it (random weights, momentum of the optimizer, organ
head, aliased keys; 0.8 GB a fold), `import` brings it into a store, `load` opens the store and loads every fold for
inference, `forward` sends one patch through the network on the CPU. Each part runs in a process of its own, so that
its peak memory is its own. Without --work a temporary folder is used and removed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from petlesion.inference.networks import (
    canonical_state,
    count_parameters,
    fill,
    fuse_binary_head,
    load_network,
    meta_network,
    network_from_plans,
)
from petlesion.inference.published import import_nnunet_folder
from petlesion.inference.weights import ModelEntry, ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

ROOT = Path(__file__).resolve().parents[1]
PLANS = ROOT / "resources" / "plans_resencl.json"
CONFIGURATION = "3d_fullres"
DATASET = {
    "channel_names": {"0": "CT", "1": "PET", "2": "clicks"},
    "labels": {"background": 0, "tumor": 1},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
ORGANS = 15  # classes of the auxiliary head, background included
TFLOP_192 = 4.87  # of one pass at 192^3; it grows with the voxels


def random_network(seed: int) -> nn.Module:
    """The network with nnU-Net's own random initialisation."""
    torch.manual_seed(seed)
    network = network_from_plans(json.loads(PLANS.read_text()), CONFIGURATION, 3, 2)
    return network.apply(network.initialize)


def trained(network: nn.Module, fold: int) -> dict[str, Any]:
    """A checkpoint with the keys that nnU-Net's trainers write, and those of the organ trainers."""
    weights: dict[str, torch.Tensor] = network.state_dict()
    heads: Any = network.get_submodule("decoder.seg_layers")
    for level, head in enumerate(heads):
        weights[f"decoder.organ_seg_layers.{level}.weight"] = torch.zeros(ORGANS, head.in_channels, 1, 1, 1)
        weights[f"decoder.organ_seg_layers.{level}.bias"] = torch.zeros(ORGANS)
    momentum = {i: {"momentum_buffer": p.detach().clone()} for i, p in enumerate(network.parameters())}
    return {
        "network_weights": weights,
        "optimizer_state": {"state": momentum, "param_groups": [{"lr": 1e-5, "momentum": 0.99}]},
        "grad_scaler_state": {"scale": 65536.0},
        "logging": {"train_losses": [-0.9] * 1500},
        "_best_ema": 0.7,
        "current_epoch": 1500,
        "init_args": {"configuration": CONFIGURATION, "fold": fold, "dataset_json": DATASET},
        "trainer_name": "nnUNetTrainer_organs_FDG",
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }


def part_folder(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the model folder."""
    src = work / "published"
    src.mkdir(parents=True, exist_ok=True)
    (src / "plans.json").write_text(PLANS.read_text())
    (src / "dataset.json").write_text(json.dumps(DATASET))
    for fold in range(arguments.folds):
        (src / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save(trained(random_network(fold), fold), src / f"fold_{fold}" / "checkpoint_final.pth")
    return {"folds": arguments.folds, "bytes": size_of(src)}


def part_import(work: Path, _: argparse.Namespace) -> dict[str, Any]:
    """Import the model folder into a store."""
    found = import_nnunet_folder(
        work / "published",
        recipe_name="mesbah",
        role="fdg",
        out=work / "store",
        licence="none: random weights",
        source="benchmarks.full_size",
        channels=("ct", "pet", "clicks"),
        training_data="none",
        synthetic=True,
    )
    return {"folds": len(found.entry.folds), "bytes": size_of(work / "store"), "notes": list(found.notes)}


def part_load(work: Path, _: argparse.Namespace) -> dict[str, Any]:
    """Open the store and make every fold ready for inference; all stay in memory."""
    begun = time.perf_counter()
    store = ModelStore.open(work / "store")
    entry = store.entry("mesbah", "fdg")
    manifest_s = time.perf_counter() - begun
    networks = [load_network(store, entry, fold, torch.device("cpu")) for fold in entry.fold_numbers]
    return {
        "folds": len(networks),
        "manifest_s": round(manifest_s, 4),
        "parameters": count_parameters(networks[0]),
        "dtype": str(next(networks[0].parameters()).dtype),
    }


def part_forward(_: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One pass of a patch through the network, on the CPU, in fp32, with one output channel."""
    entry = ModelEntry(
        *("mesbah", "fdg", "nnunet", ("ct", "pet", "clicks"), "none", "random", "none"),
        synthetic=True,
        configuration=CONFIGURATION,
    )
    network = meta_network(json.loads(PLANS.read_text()), DATASET, entry)
    fill(network, canonical_state(random_network(0)), torch.device("cpu"), "random weights")
    fuse_binary_head(network)
    image = torch.randn((1, 3, *[arguments.patch] * 3), generator=torch.Generator().manual_seed(0))
    before = peak_bytes()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        logit = network(image)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - begun_cpu
    tflop = TFLOP_192 * (arguments.patch / 192) ** 3
    return {
        "patch": arguments.patch,
        "pass_s": round(seconds, 2),
        "pass_cpu_s": round(cpu_seconds, 2),  # what counts where the machine is shared
        "gflops": round(1000 * tflop / seconds, 1),
        "peak_before_the_pass_bytes": before,
        "output_shape": list(logit.shape),
        "finite": bool(torch.isfinite(logit).all()),
    }


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "folder": part_folder,
    "import": part_import,
    "load": part_load,
    "forward": part_forward,
}


def size_of(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def peak_bytes() -> int:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_here(name: str, arguments: argparse.Namespace) -> None:
    """Run one part and print its figures as one line of JSON."""
    torch.set_num_threads(arguments.threads)
    start, begun = peak_bytes(), time.perf_counter()
    figures = PARTS[name](arguments.work, arguments)
    seconds = {"seconds": round(time.perf_counter() - begun, 2), "cpu_seconds": round(time.process_time(), 2)}
    print(json.dumps(seconds | {"start_bytes": start, "peak_bytes": peak_bytes()} | figures))


def run_apart(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one part in a process of its own."""
    own = ["--work", str(arguments.work), "--folds", str(arguments.folds), "--patch", str(arguments.patch)]
    command = [
        sys.executable,
        "-m",
        "benchmarks.full_size",
        "--inside",
        name,
        *own,
        "--threads",
        str(arguments.threads),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name:8}", ", ".join(f"{key} {value}" for key, value in figures.items()), flush=True)
    return figures


def arguments_of() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder for model folder and store; kept")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--patch", type=int, default=192, help="edge of the patch in voxels, a multiple of 32")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run the parts asked for, in order."""
    arguments = arguments_of()
    if arguments.inside:
        run_here(arguments.inside, arguments)
        return
    machine = {"cpu": platform.processor() or platform.machine(), "threads": arguments.threads}
    with tempfile.TemporaryDirectory(prefix="full-size-") as folder:
        arguments.work = (arguments.work or Path(folder)).resolve()
        figures = {name: run_apart(name, arguments) for name in arguments.parts}
    if arguments.json:
        content = {"machine": machine | {"torch": torch.__version__}, "parts": figures}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
