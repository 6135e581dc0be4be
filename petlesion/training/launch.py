# SPDX-License-Identifier: Apache-2.0
"""One training with nnU-Net, in a process of its own: its folders are environment variables of that process alone.

    env nnUNet_raw=... nnUNet_preprocessed=... nnUNet_results=... nnUNet_extTrainer=... \
        python -m petlesion.training.launch Dataset701_mesbah_fdg 0 PetlesionTrainerFDG petlesionPlans

does what `nnUNetv2_train` does, and also runs under torchrun, on GPUs (NCCL) and on CPUs (gloo), on one machine. The
trainer is found by nnU-Net's own search of `nnUNet_extTrainer`. The search of nnU-Net's package, which `nnUNetv2_train`
does first, is left out: it imports every variant there, which takes seconds and fails where torchvision does not fit
torch.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlesion.limits import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

EXTERNAL = Path(__file__).resolve().parent / "external"
MODULE = "petlesion.training.launch"


@dataclass(frozen=True, slots=True)
class Launch:
    """A training to be started.

    Attributes:
        data: Folder of nnUNet_raw and nnUNet_preprocessed.
        results: nnU-Net's folder of results.
        dataset: nnU-Net's name of the data set.
        trainer: Name of the trainer's class.
        plans: nnU-Net's name of the plans.
        fold: Number of the fold.
        device: "cuda" or "cpu".
        resume: Go on from the fold's checkpoint, where there is one.
        validate: Segment the cases that the fold leaves out once it is trained.
        processes: GPUs, or processes on the CPU, of this machine.
        workers: Processes that draw samples for each of them; None takes nnU-Net's number, 0 draws in the process.
    """

    data: Path
    results: Path
    dataset: str
    trainer: str
    plans: str
    fold: int
    device: str = "cuda"
    resume: bool = False
    validate: bool = True
    processes: int = 1
    workers: int | None = None

    def command(self) -> list[str]:
        """The command line, environment included, that runs the training."""
        variables = {
            "nnUNet_raw": self.data / "nnUNet_raw",
            "nnUNet_preprocessed": self.data / "nnUNet_preprocessed",
            "nnUNet_results": self.results,
            "nnUNet_extTrainer": EXTERNAL,
        }
        settings = [f"{name}={value}" for name, value in variables.items()]
        settings += [] if self.workers is None else [f"nnUNet_n_proc_DA={self.workers}"]
        start = ["-m", MODULE]
        if self.processes > 1:
            # One machine: the processes meet at its loopback, for its name may lead nowhere (and then they wait).
            nodes = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(self.processes)]
            start = ["-m", "torch.distributed.run", *nodes, "-m", MODULE]
        words = [self.dataset, str(self.fold), self.trainer, self.plans, "--device", self.device]
        flags = ["--resume"] * self.resume + ["--no-validation"] * (not self.validate)
        return ["env", *settings, sys.executable, *start, *words, *flags]


def main(argv: Sequence[str] | None = None) -> None:
    """Train one fold, in the environment that `Launch.command` sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("fold", type=int)
    parser.add_argument("trainer")
    parser.add_argument("plans")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--no-validation", action="store_true")
    _train(parser.parse_args(argv))


def _train(arguments: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415 - the command line above is read without it
    from torch import distributed  # noqa: PLC0415

    several = distributed.is_torchelastic_launched()
    if several:
        distributed.init_process_group("nccl" if arguments.device == "cuda" else "gloo")
    if arguments.device == "cuda":
        torch.cuda.set_device(distributed.get_rank() if several else 0)
        torch.backends.cudnn.benchmark = True
    _train_fold(arguments, torch.device(arguments.device))
    if several:
        # The network's reducer must not outlive the group: as its last owner it would join gloo's threads while it
        # holds Python's lock, and those wait for that lock to free their tensors.
        gc.collect()
        distributed.destroy_process_group()


def _train_fold(arguments: argparse.Namespace, device: torch.device) -> None:
    from nnunetv2.run.run_training import maybe_load_checkpoint  # noqa: PLC0415

    trainer = _trainer(arguments, device)
    maybe_load_checkpoint(trainer, arguments.resume, validation_only=False)
    trainer.run_training()
    if not arguments.no_validation:
        trainer.perform_actual_validation()


def _trainer(arguments: argparse.Namespace, device: torch.device) -> Any:  # noqa: ANN401 - an nnUNetTrainer
    from nnunetv2.paths import nnUNet_preprocessed  # noqa: PLC0415

    from petlesion.training.plans import CONFIGURATION  # noqa: PLC0415

    folder = Path(nnUNet_preprocessed.require()) / arguments.dataset
    plans, dataset = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in (arguments.plans, "dataset")
    )
    plans["continue_training"] = arguments.resume  # nnU-Net's trainers take it out again
    return find_trainer(arguments.trainer)(plans, CONFIGURATION, arguments.fold, dataset, device)


def find_trainer(name: str) -> type[Any]:
    """The trainer of that name in the folders of `nnUNet_extTrainer`, by nnU-Net's own search.

    Raises:
        UsageError: When there is none.
    """
    from nnunetv2.paths import nnUNet_extTrainer  # noqa: PLC0415
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class  # noqa: PLC0415

    folders = str(nnUNet_extTrainer.get() or "").split(os.pathsep)
    for folder in filter(None, folders):
        found: type[Any] | None = recursive_find_python_class(
            folder, name, None, base_folder=folder, cleanup_imports_from_base_folder=True
        )
        if found is not None:
            return found
    raise UsageError(f"trainers lie in the folders of nnUNet_extTrainer; {folders} hold no {name}")


if __name__ == "__main__":
    main()
