# SPDX-License-Identifier: Apache-2.0
"""Where a training that was killed goes on, with the numbers it would have had."""

from __future__ import annotations

from dataclasses import dataclass
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from petlesion.drafts import staged
from petlesion.images import reason, shown

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import nn

    from petlesion.training.loop import Schedule


class SavepointError(ValueError):
    """A savepoint from which this run cannot go on. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Everything that the next step of a training depends on.

    Attributes:
        network: Its weights and buffers.
        optimizer: Its moments.
        schedule: How long and how fast; a run goes on with its own.
        rng: Source of the batches, numpy's default generator (PCG64). Torch's own generator of the CPU, from which
            dropout draws, belongs to the run, too.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A file that holds a run as it was after one of its steps.

    Attributes:
        path: The file. It is written beside and renamed, so that a kill leaves the one before.
        every: Steps between two writings, 1 or more; the last step is always written.

    Raises:
        ValueError: When `every` is less than 1.
    """

    path: Path
    every: int = 500

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"a savepoint is written every 1 step or more; got every={self.every}")

    def after(self, step: int, run: Run) -> None:
        """Write the run after its step 1, 2, ..., or before them (0), where a writing is due.

        Raises:
            OSError: When the file cannot be written.
        """
        if step % self.every and step != run.schedule.steps:
            return
        content = {
            "step": step,
            "schedule": repr(run.schedule),
            "network": run.network.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "rng": run.rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
        }
        with staged(self.path) as draft:
            torch.save(content, draft)

    def begin(self, run: Run) -> int:
        """Bring a run to where the file has it, in place; without a file, write the run as it is before its first step.

        Returns:
            The steps that the run has done.

        Raises:
            SavepointError: When the file is no savepoint, or one of another schedule or network.
            OSError: When the file cannot be written.
        """
        if self.path.exists():
            return self._restore(run)
        self.after(0, run)  # torch's generator is another one in the process that goes on
        return 0

    def _restore(self, run: Run) -> int:
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            self._check(content["schedule"], run.schedule)
            return _restored(content, run)
        except (OSError, RuntimeError, EOFError, UnpicklingError, KeyError, TypeError) as error:
            raise SavepointError(
                f"a run goes on from a savepoint of its own network; {shown(self.path)} is none: {reason(error)}; "
                "move it to begin anew"
            ) from error

    def _check(self, found: str, schedule: Schedule) -> None:
        if found != repr(schedule):
            raise SavepointError(
                f"a run goes on with its own schedule; {shown(self.path)} has {found}, this run {schedule}: "
                "take that schedule, or move the file to begin anew"
            )


def _restored(content: dict[str, Any], run: Run) -> int:
    run.network.load_state_dict(content["network"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.rng.bit_generator.state = content["rng"]
    torch.set_rng_state(content["torch_rng"])
    return int(content["step"])
