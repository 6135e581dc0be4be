# SPDX-License-Identifier: Apache-2.0
"""One training loop for every network: draw a batch, take a step; nothing else knows about optimisers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from math import cos, pi
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

Batch = tuple[torch.Tensor, torch.Tensor]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps.
        rate: Highest learning rate of AdamW; after a linear warm-up it falls along a cosine.
        horizon: Step at which the cosine is zero; None takes `steps`. A later one ends while the rate is still high,
            for networks that another stage trains on.
        warmup: Steps of the warm-up.
        weight_decay: AdamW's.
        clip: Highest norm of the gradient.
        bfloat16: Whether forward passes run under bfloat16 autocast: faster on CPUs that have it, harmless elsewhere.
    """

    steps: int
    rate: float = 2e-3
    horizon: int | None = None
    warmup: int = 50
    weight_decay: float = 1e-2
    clip: float = 5.0
    bfloat16: bool = False

    def rate_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        return self.rate * rise * 0.5 * (1 + cos(pi * step / max(self.horizon or self.steps, 1)))


def train(
    network: nn.Module,
    draw: Callable[[np.random.Generator], Batch],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    schedule: Schedule,
    rng: np.random.Generator,
    observer: Callable[[int, float], None] = lambda *_: None,
) -> None:
    """Train a network in place.

    Args:
        network: Left in evaluation mode.
        draw: Gives a batch (input, target).
        loss: Of (output, target).
        schedule: How long and how fast.
        rng: Source of the batches.
        observer: Called after each step with the step's number from 1 and its loss.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=schedule.weight_decay)
    network.train()
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        image, target = draw(rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=schedule.bfloat16):
            output = network(image)
        value = loss(output, target)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
        optimizer.step()
        observer(step + 1, float(value.detach()))
    network.eval()


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
