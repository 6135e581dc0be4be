# SPDX-License-Identifier: Apache-2.0
"""Sweeps: one (fold, flip) over all tiles; their mean; the one deadline and the one out-of-memory policy.

The order of the work is the deadline control. A sweep is one network, with one flip, over every tile; after each sweep
the sum of the sweeps so far is a valid answer. Sweeps run folds first, then flips, because another fold adds more than
another flip of the same fold. A sweep that is cut short by the clock is thrown away whole, so that every voxel of the
answer was seen equally often.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from petlesion.inference.devices import first_rung, tuned
from petlesion.inference.manifest import WeightsError
from petlesion.inference.side_by_side import at_once, in_order
from petlesion.inference.tiles import Tiling
from petlesion.limits import OutOfLimitsError, Terminated, is_out_of_memory
from petlesion.termination import Termination

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from petlesion.inference.plan import InferencePlan
    from petlesion.inference.tiles import SlidingWindow, Window
    from petlesion.volume import Index

LOG = logging.getLogger(__name__)
Sweep = tuple[int, tuple[int, ...]]  # the fold, and the array axes of its flip
SLOWEST_SWEEP_MARGIN = 1.1  # the next sweep is expected to take at most so many times the slowest so far


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the sweeps must have ended.

    Attributes:
        at_s: Reading of `now` at which to stop; None never stops.
        now: A monotonic clock in seconds.
    """

    at_s: float | None = None
    now: Callable[[], float] = time.monotonic

    @property
    def left_s(self) -> float:
        """Seconds left; infinite where there is no deadline."""
        return float("inf") if self.at_s is None else self.at_s - self.now()


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


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleLead:
    """The mean of the sweeps that were finished.

    Attributes:
        lead_zyx: By how much lesion leads over background, float32, (Z, Y, X), on the network's grid: the mean logit,
            or the mean probability minus one half. A voxel is lesion where it is positive.
        sweeps: The finished (fold, flip) pairs, in order.
        seconds: How long each of them took.
        stopped: Why sweeps of the plan are missing: "", "time", "memory" or "terminated".
        plan: The plan, settled where it was to be timed.
    """

    lead_zyx: NDArray[np.float32]
    sweeps: tuple[Sweep, ...]
    seconds: tuple[float, ...]
    stopped: str
    plan: InferencePlan


class _SweepCutError(Exception):
    """The deadline passed inside a sweep."""


@dataclass(slots=True)
class _Bench:
    """The workplace of the sweeps: where image and sums lie, and what runs on what.

    `rung` is the step of the out-of-memory ladder: 0 all on the device, 1 image and sums on the host with tiles sent
    to the device one by one, 2 the networks on the host as well. The CPU starts on the last rung. All that a sweep
    needs beside its network is taken here, before the first, so that no finished sweep is lost for want of it.
    """

    image: torch.Tensor
    tiling: Tiling
    averaging: Averaging
    device: torch.device
    deadline: Deadline
    observer: Observer
    rung: int = 0
    total: torch.Tensor = field(init=False)
    current: torch.Tensor = field(init=False)
    importance: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.rung = first_rung(self.image, self.device)
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

    def windows(self) -> Iterator[Window]:
        """The tiles of a sweep, as long as there is time."""
        for window in self.tiling.windows():
            if self.deadline.left_s <= 0:
                raise _SweepCutError
            yield window

    def lead(self, times: int) -> torch.Tensor:
        """The mean of `times` sweeps, as `EnsembleLead` has it, with the tiling's padding."""
        if self.averaging.mean == "probability":
            return self.total.div_(times).sub_(0.5)
        self.tiling.divide_by_weights(self.total, times)
        return self.total

    def step_down(self) -> bool:
        """Take the next rung of the ladder; False where there is none. Finished sweeps are kept."""
        if self.rung == 2:
            return False
        self.rung += 1
        LOG.warning("memory is short: %s", ("", "image and sums move to the host", "the CPU takes over")[self.rung])
        self.total, self.current, self.image, self.importance = (
            tensor.to("cpu") for tensor in (self.total, self.current, self.image, self.importance)
        )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True


def predict(  # noqa: PLR0913 - the ensemble's whole contract, each by name
    networks: Mapping[int, nn.Module],
    image_czyx: NDArray[np.float32],
    patch_zyx: Index,
    plan: InferencePlan,
    *,
    deadline: Deadline | None = None,
    device: torch.device | None = None,
    observer: Observer = lambda _: None,
    averaging: Averaging | None = None,
) -> EnsembleLead:
    """Mean over the plan's sweeps, as far as the deadline allows.

    Args:
        networks: A network for each fold of the plan: (1, C, Z, Y, X) -> (1, 1, Z, Y, X), in evaluation mode.
        image_czyx: Prepared input, float32, (C, Z, Y, X), on the network's grid.
        patch_zyx: The networks' patch, (Z, Y, X) voxels.
        plan: Folds, flips and tile step.
        deadline: When to stop; none by default.
        device: Where the networks run; the CPU by default.
        observer: Called after each tile.
        averaging: Windows and mean; nnU-Net's by default.

    Raises:
        OutOfLimitsError: When time or memory ended before the first sweep was finished.
        Terminated: When SIGTERM came before the first sweep was finished.
        WeightsError: When a network answers with NaN or infinity, of which a mask would be empty in silence.
    """
    averaging = averaging or Averaging()
    tiling = Tiling.of(image_czyx.shape[1:], patch_zyx, plan.tile_step, averaging.window)
    image = torch.from_numpy(tiling.pad(image_czyx))
    bench = _Bench(image, tiling, averaging, device or torch.device("cpu"), deadline or Deadline(), observer)
    with tuned(bench.device):
        done, seconds, stopped, settled = _run(networks, plan, bench)
    if not done:
        raise OutOfLimitsError(
            f"a mask needs at least one sweep over {tiling.n_tiles} tiles, but {stopped} ran out before the first "
            "ended; give more of it, or less to sweep (--body-crop, a larger --tile-step)",
            "memory" if stopped == "memory" else "time",
        )
    lead = tiling.unpad(bench.lead(len(done)).cpu().numpy())
    return EnsembleLead(lead, tuple(done), tuple(seconds), stopped, settled)


def _run(
    networks: Mapping[int, nn.Module], plan: InferencePlan, bench: _Bench
) -> tuple[list[Sweep], list[float], str, InferencePlan]:
    """Finish as many sweeps as time and memory allow: which, how long each took, what stopped the rest, the plan."""
    done: list[Sweep] = []
    seconds: list[float] = []
    sigterm = Termination.current()
    while len(done) < len(plan.sweeps):
        if seconds and bench.deadline.left_s < max(seconds) * SLOWEST_SWEEP_MARGIN:
            return done, seconds, "time", plan
        begun = bench.deadline.now()
        try:
            with sigterm.at_once():
                sweep = _finite(_sweep(networks, plan, len(done), bench), plan.sweeps[len(done)])
            bench.add(sweep)
        except _SweepCutError:
            return done, seconds, "time", plan
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if not bench.step_down():
                return done, seconds, "memory", plan
            continue
        except Terminated:
            if not done:
                raise
            return done, seconds, "terminated", plan
        done.append(plan.sweeps[len(done)])
        sigterm.keeping = True
        seconds.append(bench.deadline.now() - begun)
        plan = plan.timed_by(seconds[0], bench.deadline.left_s)
    return done, seconds, "", plan


@torch.inference_mode()
def _sweep(networks: Mapping[int, nn.Module], plan: InferencePlan, number: int, bench: _Bench) -> torch.Tensor:
    """One sweep, a sum of weighted tiles; the bench's total is not touched, in case the sweep is cut short."""
    fold, flip = plan.sweeps[number]
    network = networks[fold].to(bench.compute)
    if bench.compute.type == "cpu":
        network.float()  # convolutions that a GPU held as fp16; without autocast all must be of the tile's type
    axes = tuple(axis + 2 for axis in flip)

    @torch.inference_mode()  # a setting of each thread
    def answer(window: Window) -> tuple[Window, torch.Tensor]:
        tile = bench.image[(slice(None), *window)][None].to(bench.compute, non_blocking=True)
        logit = _forward(network, torch.flip(tile, axes) if axes else tile)
        return window, torch.flip(logit, axes) if axes else logit

    total = bench.current.zero_()
    n = at_once(bench.tiling.patch_zyx, bench.compute)
    with closing(in_order(answer, bench.windows(), n)) as answers:
        for count, (window, logit) in enumerate(answers, start=1):
            total[window] += logit[0, 0].to(bench.store) * bench.importance
            bench.observer(Progress(number + 1, len(plan.sweeps), count, bench.tiling.n_tiles))
    return total


def _finite(total: torch.Tensor, sweep: Sweep) -> torch.Tensor:
    """A sweep's sum, all of whose values are numbers."""
    if not bool(torch.isfinite(total).all()):
        raise WeightsError(f"networks answer with finite numbers; that of fold {sweep[0]} does not: verify its weights")
    return total


def _forward(network: nn.Module, tile: torch.Tensor) -> torch.Tensor:
    """One forward pass, in half precision on a GPU; it has ended when this returns, so that clocks tell the truth."""
    on_gpu = tile.device.type == "cuda"
    with torch.autocast("cuda", dtype=torch.float16, enabled=on_gpu):
        logit: torch.Tensor = network(tile)
    if on_gpu:
        torch.cuda.synchronize(tile.device)
    return logit.float()
