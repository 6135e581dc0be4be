# SPDX-License-Identifier: Apache-2.0
"""Where sweeps run: what lies on which device, until when, and what a lack of memory moves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from petlesion.inference.devices import first_rung
from petlesion.limits import OutOfLimitsError, is_out_of_memory

if TYPE_CHECKING:
    from petlesion.inference.tiles import SlidingWindow, Tiling, Window

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the sweeps must have ended.

    Attributes:
        at_s: Reading of `now` at which to stop; None never stops.
        now: A monotonic clock in seconds.
        first_at_s: The same for the first sweep, where there is no answer without it; None: no later than the others.
    """

    at_s: float | None = None
    now: Callable[[], float] = time.monotonic
    first_at_s: float | None = None

    @property
    def left_s(self) -> float:
        """Seconds left; infinite where there is no deadline."""
        return float("inf") if self.at_s is None else self.at_s - self.now()

    @property
    def left_for_the_first_s(self) -> float:
        """Seconds left while there is no finished sweep."""
        return self.left_s if self.at_s is None or self.first_at_s is None else self.first_at_s - self.now()


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the sweeps stand: `tile` of `tiles` in sweep number `sweep` (from 1) of `sweeps`."""

    sweep: int
    sweeps: int
    tile: int
    tiles: int


Observer = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Averaging:
    """How tiles become a sweep, and sweeps the answer.

    Attributes:
        window: Whose sliding window; see `tiles`.
        mean: Whether logits are averaged over the sweeps, or probabilities.
    """

    window: SlidingWindow = "nnunet"
    mean: Literal["logit", "probability"] = "logit"


class SweepCutError(Exception):
    """The deadline passed inside a sweep."""


@dataclass(slots=True)
class Workplace:
    """The workplace of the sweeps: where image and sums lie, and what runs on what.

    `rung` is the step of the out-of-memory ladder: 0 all on the device, 1 image and sums on the host with tiles sent
    to the device one by one, 2 the networks on the host as well. The CPU starts on the last rung. All that a sweep
    needs beside its network is taken here, before the first, so that no finished sweep is lost for want of it.
    `window_s` is how long the last window took.
    """

    image: torch.Tensor
    tiling: Tiling
    averaging: Averaging
    device: torch.device
    deadline: Deadline
    observer: Observer
    rung: int = 0
    window_s: float = 0.0
    total: torch.Tensor = field(init=False)
    current: torch.Tensor = field(init=False)
    importance: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.rung = max(self.rung, first_rung(self.image, self.device))
        self.total = torch.zeros(self.image.shape[1:], dtype=torch.float32, device=self.store)
        self.current = torch.zeros_like(self.total)
        self.importance = torch.from_numpy(self.tiling.importance()).to(self.store)
        self.image = self.image.to(self.store)

    @property
    def store(self) -> torch.device:
        """Where image and sums lie."""
        return self.device if self.rung == 0 else torch.device("cpu")

    @property
    def compute(self) -> torch.device:
        """Where the networks run."""
        return self.device if self.rung < 2 else torch.device("cpu")

    @torch.inference_mode()
    def add(self, sweep: torch.Tensor) -> None:
        """Add a finished sweep, a sum of weighted tiles; of probabilities where these are averaged."""
        if self.averaging.mean == "probability":
            self.tiling.divide_by_weights(sweep)
            sweep.sigmoid_()
        self.total += sweep

    def windows(self, *, first: bool) -> Iterator[Window]:
        """The tiles of a sweep, as long as there is time for one more; `first` while no sweep is finished."""
        for window in self.tiling.windows():
            left_s = self.deadline.left_for_the_first_s if first else self.deadline.left_s
            if left_s <= 0 or left_s < self.window_s:
                raise SweepCutError
            yield window

    def lead(self, times: int) -> torch.Tensor:
        """The mean of `times` sweeps, as `EnsembleLead` has it, with the tiling's padding."""
        if self.averaging.mean == "probability":
            return self.total.div_(times).sub_(0.5)
        self.tiling.divide_by_weights(self.total, times)
        return self.total

    def step_down(self) -> bool:
        """Take the next rung of the ladder; False where there is none. Finished sweeps are kept either way."""
        if self.rung == 2:
            return False
        try:
            moved = tuple(tensor.to("cpu") for tensor in (self.total, self.current, self.image, self.importance))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        self.total, self.current, self.image, self.importance = moved
        self.rung += 1
        LOG.warning("memory is short: %s", ("", "image and sums move to the host", "the CPU takes over")[self.rung])
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True


def first_with_room(on_rung: Callable[[int], Workplace]) -> Workplace:
    """The workplace on the first rung of the ladder that has the memory for it.

    Raises:
        OutOfLimitsError: Where none has.
    """
    for rung in range(3):
        try:
            return on_rung(rung)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
    raise OutOfLimitsError("there is no memory for the image and the sums of its sweeps; give more of it", "memory")
