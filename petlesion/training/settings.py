# SPDX-License-Identifier: Apache-2.0
"""What a training of one fold is told, as a file in the fold's folder: nnU-Net's trainers take no arguments."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from petlesion.drafts import staged
from petlesion.limits import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.schedule import TrainingSchedule

FILE = "petlesion.json"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The numbers of a training.

    Attributes:
        epochs: Epochs; the learning rate falls to zero over them.
        iterations: Iterations of an epoch.
        validation_iterations: Validation batches after each epoch.
        initial_rate: Learning rate at the start.
        save_every: Epochs between two checkpoints to go on from.
        pretrained: Checkpoint to begin with; None draws the weights.
        checkpoint_activations: Compute activations twice instead of keeping them: a third more time, far less memory.
        seed: Of clicks and misalignment. nnU-Net's own random numbers are not seeded.
    """

    epochs: int
    iterations: int
    initial_rate: float
    validation_iterations: int = 50
    save_every: int = 50
    pretrained: str | None = None
    checkpoint_activations: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.epochs, self.iterations, self.validation_iterations, self.save_every)
        if min(counts) < 1 or self.initial_rate <= 0 or self.seed < 0:
            raise UsageError(
                f"epochs, iterations and the learning rate are positive, the seed is not negative; got {self}"
            )

    @classmethod
    def of(cls, schedule: TrainingSchedule, role: str) -> TrainingSettings:
        """The published schedule of a recipe's role."""
        return cls(schedule.epochs, dict(schedule.iterations)[role], schedule.initial_rate)

    def save(self, fold: Path) -> None:
        """Write the settings into a fold's folder."""
        with staged(fold / FILE) as draft:
            draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, fold: Path) -> TrainingSettings | None:
        """The settings in a fold's folder; None where there are none.

        Raises:
            UsageError: When the file is there and is not what `save` wrote.
        """
        path = fold / FILE
        if not path.exists():
            return None
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{field.name: held[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} must hold the settings of a training; it does not: {error}; remove it") from error
