# SPDX-License-Identifier: Apache-2.0
"""One training loop for every network: draw a batch, take a step; nothing else knows about optimisers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import nn

from petlesion.training.savepoint import Run, Savepoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

Batch = tuple[torch.Tensor, torch.Tensor]
Made = TypeVar("Made")

POLYNOMIAL_EXPONENT = 0.9  # nnU-Net
SGD_MOMENTUM = 0.99  # nnU-Net, with Nesterov's look ahead
WEIGHT_DECAY = {"adamw": 1e-2, "adam": 0.0, "sgd": 3e-5}
"""What an optimiser takes where nothing else is said: torch's for AdamW and Adam, nnU-Net's for SGD."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps.
        rate: Highest learning rate; after a linear warm-up it falls.
        horizon: Step at which the rate is zero; None takes `steps`. A later one ends while the rate is still high,
            for networks that another stage trains on.
        warmup: Steps of the warm-up; 0 or 1: none.
        weight_decay: The optimiser's; None takes `WEIGHT_DECAY`.
        clip: Highest norm of the gradient.
        bfloat16: Whether forward passes run under bfloat16 autocast: faster on CPUs and GPUs that have it, harmless
            elsewhere.
        optimizer: AdamW, Adam, or SGD with Nesterov momentum 0.99.
        decay: The rate falls along half a cosine, or as (1 - step / horizon)^0.9.
    """

    steps: int
    rate: float = 2e-3
    horizon: int | None = None
    warmup: int = 50
    weight_decay: float | None = None
    clip: float = 5.0
    bfloat16: bool = False
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    decay: Literal["cosine", "polynomial"] = "cosine"

    def rate_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1."""
        rise, horizon = min(1.0, (step + 1) / max(self.warmup, 1)), max(self.horizon or self.steps, 1)
        if self.decay == "polynomial":
            return float(self.rate * rise * max(0.0, 1 - step / horizon) ** POLYNOMIAL_EXPONENT)
        return self.rate * rise * 0.5 * (1 + cos(pi * step / horizon))

    def shortened(self, share: float) -> Schedule:
        """The same with a share of the steps, of one at least; the rate falls as far."""
        steps, horizon = (max(1, round(n * share)) for n in (self.steps, self.horizon or self.steps))
        return replace(self, steps=steps, horizon=horizon)

    def optimizer_of(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of a network's parameters, before its first step."""
        decay = WEIGHT_DECAY[self.optimizer] if self.weight_decay is None else self.weight_decay
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                network.parameters(), lr=self.rate, momentum=SGD_MOMENTUM, nesterov=True, weight_decay=decay
            )
        kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
        return kind(network.parameters(), lr=self.rate, weight_decay=decay)


def train(  # noqa: PLR0913 - the loop's whole contract, each by name
    network: nn.Module,
    draw: Callable[[np.random.Generator], Batch],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    schedule: Schedule,
    rng: np.random.Generator,
    observer: Callable[[int, float], None] = lambda *_: None,
    *,
    savepoint: Savepoint | None = None,
) -> None:
    """Train a network in place.

    Args:
        network: Left in evaluation mode; on the device of the batches.
        draw: Gives a batch (input, target). With a savepoint it depends on nothing but its generator.
        loss: Of (output, target).
        schedule: How long and how fast.
        rng: Source of the batches.
        observer: Called after each step with the step's number from 1 and its loss. A run that goes on calls it
            anew for the steps since its savepoint.
        savepoint: Where the run is kept, and from where it goes on if it was killed: with the weights, in the end,
            that it would have had. A run that was done does nothing but load them.

    Raises:
        SavepointError: When the savepoint is of another run.
    """
    run = Run(network, schedule.optimizer_of(network), schedule, rng)
    first = savepoint.begin(run) if savepoint else 0
    network.train()
    for step in range(first, schedule.steps):
        observer(step + 1, _take(step, run, draw(rng), loss))
        if savepoint:
            savepoint.after(step + 1, run)
    network.eval()


def _take(step: int, run: Run, batch: Batch, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
    """Take a step of the optimiser, unless the gradient is not finite; the loss before it."""
    for group in run.optimizer.param_groups:
        group["lr"] = run.schedule.rate_at(step)
    image, target = batch
    with torch.autocast(image.device.type, torch.bfloat16, enabled=run.schedule.bfloat16):
        output = run.network(image)
    value = loss(output, target)
    run.optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), run.schedule.clip)
    # A gradient that has no number is no step, as with torch's GradScaler: in air, norms over a few voxels overflow.
    if torch.isfinite(norm):
        run.optimizer.step()
    return float(value.detach())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch from `seed` inside, and as they were afterwards: initial weights without global state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build(make: Callable[[], Made], seed: int) -> Made:
    """What `make` gives with initial weights from `seed`."""
    with seeded(seed):
        return make()
