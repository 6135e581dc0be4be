# SPDX-License-Identifier: Apache-2.0
"""Sweeps: one (fold, flip) over all tiles; their mean; what stops them, the clock, memory or SIGTERM.

The order of the work is the deadline control. A sweep is one network, with one flip, over every tile; after each sweep
the sum of the sweeps so far is a valid answer. Sweeps run folds first, then flips, because another fold adds more than
another flip of the same fold. A sweep that is cut short by the clock is thrown away whole, so that every voxel of the
answer was seen equally often.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from petlesion.inference.devices import tuned
from petlesion.inference.manifest import WeightsError
from petlesion.inference.side_by_side import at_once, in_order
from petlesion.inference.tiles import Tiling
from petlesion.inference.workplace import (
    Averaging,
    Deadline,
    Observer,
    Progress,
    SweepCutError,
    Workplace,
    first_with_room,
)
from petlesion.limits import OutOfLimitsError, Terminated, is_out_of_memory
from petlesion.termination import Termination

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from petlesion.inference.plan import InferencePlan
    from petlesion.inference.tiles import Window
    from petlesion.volume import Index

Sweep = tuple[int, tuple[int, ...]]  # the fold, and the array axes of its flip
SLOWEST_SWEEP_MARGIN = 1.1  # the next sweep is expected to take at most so many times the slowest so far


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
    device, deadline = device or torch.device("cpu"), deadline or Deadline()
    place = first_with_room(lambda rung: Workplace(image, tiling, averaging, device, deadline, observer, rung))
    with tuned(place.device):
        done, seconds, stopped, settled = _run(networks, plan, place)
    if not done:
        raise OutOfLimitsError(
            f"a mask needs at least one sweep over {tiling.n_tiles} tiles, but {stopped} ran out before the first "
            "ended; give more of it, or less to sweep (--body-crop, a larger --tile-step)",
            "memory" if stopped == "memory" else "time",
        )
    lead = tiling.unpad(place.lead(len(done)).cpu().numpy())
    return EnsembleLead(lead, tuple(done), tuple(seconds), stopped, settled)


def _run(
    networks: Mapping[int, nn.Module], plan: InferencePlan, place: Workplace
) -> tuple[list[Sweep], list[float], str, InferencePlan]:
    """Finish as many sweeps as time and memory allow: which, how long each took, what stopped the rest, the plan."""
    done: list[Sweep] = []
    seconds: list[float] = []
    sigterm = Termination.current()
    while len(done) < len(plan.sweeps):
        short = False
        if seconds and place.deadline.left_s < max(seconds) * SLOWEST_SWEEP_MARGIN:
            return done, seconds, "time", plan
        begun = place.deadline.now()
        try:
            with sigterm.at_once():
                sweep = _finite(_sweep(networks, plan, len(done), place), plan.sweeps[len(done)])
            place.add(sweep)
        except SweepCutError:
            return done, seconds, "time", plan
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            short = True
        except Terminated:
            if not done:
                raise
            return done, seconds, "terminated", plan
        if short:  # the error is gone, and with it what its traceback held of the pass that failed
            if not place.step_down():
                return done, seconds, "memory", plan
            continue
        done.append(plan.sweeps[len(done)])
        sigterm.keeping = True
        seconds.append(place.deadline.now() - begun)
        plan = plan.timed_by(seconds[0], place.deadline.left_s)
    return done, seconds, "", plan


@torch.inference_mode()
def _sweep(networks: Mapping[int, nn.Module], plan: InferencePlan, number: int, place: Workplace) -> torch.Tensor:
    """One sweep, a sum of weighted tiles; the place's total is not touched, in case the sweep is cut short."""
    fold, flip = plan.sweeps[number]
    network = networks[fold].to(place.compute)
    if place.compute.type == "cpu":
        network.float()  # convolutions that a GPU held as fp16; without autocast all must be of the tile's type
    axes = tuple(axis + 2 for axis in flip)

    @torch.inference_mode()  # a setting of each thread
    def answer(window: Window) -> tuple[Window, torch.Tensor]:
        begun = place.deadline.now()
        tile = place.image[(slice(None), *window)][None].to(place.compute, non_blocking=True)
        logit = _forward(network, torch.flip(tile, axes) if axes else tile)
        place.window_s = place.deadline.now() - begun
        return window, torch.flip(logit, axes) if axes else logit

    total = place.current.zero_()
    n = at_once(place.tiling.patch_zyx, place.compute)
    with closing(in_order(answer, place.windows(first=number == 0), n)) as answers:
        for count, (window, logit) in enumerate(answers, start=1):
            total[window] += logit[0, 0].to(place.store) * place.importance
            place.observer(Progress(number + 1, len(plan.sweeps), count, place.tiling.n_tiles))
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
