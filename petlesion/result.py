# SPDX-License-Identifier: Apache-2.0
"""A segmented case, and what each ensemble did for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.limits import OutOfLimitsError

if TYPE_CHECKING:
    from petlesion.inference.ensemble import EnsembleLead
    from petlesion.inference.manifest import ModelEntry
    from petlesion.inference.plan import InferencePlan
    from petlesion.inference.preprocess import ModelInput
    from petlesion.inference.tracer import TracerCall
    from petlesion.lesions import Lesion, LesionMask
    from petlesion.volume import Index


@dataclass(frozen=True, slots=True)
class TileCounts:
    """How many tiles an ensemble's networks `computed`, and how many answers were `reused` from former runs."""

    computed: int
    reused: int


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What one ensemble did in its stage.

    Attributes:
        model: The weights.
        plan: Its sweeps, with the reason.
        box_zyx: The part of the PET that was swept: (start, stop) for each axis of the case as `upright` turned it.
        network_shape_zyx: Shape of the networks' input.
        sweeps: The finished (fold, flip) pairs.
        seconds: Time of each of them.
        stopped: Why sweeps of the plan are missing: "", "time", "memory" or "terminated".
        tiles: How many tiles were computed and reused; None where there was no memory to reuse them from.
    """

    model: ModelEntry
    plan: InferencePlan
    box_zyx: tuple[Index, Index]
    network_shape_zyx: Index
    sweeps: tuple[tuple[int, tuple[int, ...]], ...]
    seconds: tuple[float, ...]
    stopped: str
    tiles: TileCounts | None = None

    @classmethod
    def of(
        cls,
        model: ModelEntry,
        plan: InferencePlan,
        prepared: ModelInput,
        answer: EnsembleLead | OutOfLimitsError,
        tiles: TileCounts | None = None,
    ) -> StageRecord:
        """The record of an ensemble, or of one that time or memory left out; the arrays are not kept."""
        box = (prepared.box.start_zyx, prepared.box.stop_zyx)
        _, z, y, x = prepared.array_czyx.shape
        if isinstance(answer, OutOfLimitsError):
            return cls(model, plan, box, (z, y, x), (), (), answer.ended, tiles)
        return cls(model, answer.plan, box, (z, y, x), answer.sweeps, answer.seconds, answer.stopped, tiles)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A segmented case.

    Attributes:
        mask: uint8, 0 and 1, (Z, Y, X), on the PET's grid.
        tracer: The tracer with its votes; None where the recipe has no use for it and it was not given.
        tracer_model: The weights that voted; None where nobody voted.
        lesions: 26-connected components of the mask, measured on the PET.
        stages: What each ensemble did, stage by stage.
        seconds: Seconds by step of the walk.
    """

    mask: LesionMask
    tracer: TracerCall | None
    tracer_model: ModelEntry | None
    lesions: tuple[Lesion, ...]
    stages: tuple[StageRecord, ...]
    seconds: dict[str, float]

    @property
    def stopped(self) -> str:
        """Why sweeps are missing: "", "time", "memory" or "terminated"."""
        return next((stage.stopped for stage in self.stages if stage.stopped), "")
