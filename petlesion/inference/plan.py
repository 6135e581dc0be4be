# SPDX-License-Identifier: Apache-2.0
"""How deep a case is inferred: which folds, which flips, how far apart the tiles are.

"Dynamic inference depth" (Mesbah et al., autoPET IV): large cases get fewer test-time flips, so that they
end in time. The thresholds stand in the recipe; what is counted against them is chosen by `Limits.depth`. LesionTracer
(autoPET III) times its first fold instead, and mirrors the others as deep as the time left allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from petlesion.recipe import DepthRow, TimedDepth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petlesion.limits import Limits
    from petlesion.recipe import Recipe, Stage

Axes = tuple[int, ...]

AXES_OF_DEPTH: dict[int, Axes] = {1: (), 2: (2,), 4: (1, 2), 8: (0, 1, 2)}


class PlanError(ValueError):
    """A plan that cannot be made with these weights."""


@dataclass(frozen=True, slots=True)
class InferencePlan:
    """The sweeps of one stage.

    Attributes:
        folds: Numbers of the folds, in the order in which they run.
        flips: Array axes (of Z, Y, X) that are mirrored together, one entry a sweep; () is the plain image.
        tile_step: Distance of neighbouring tiles as a fraction of the patch.
        reason: Why these flips: one plain sentence for the report.
        timed: Axes that may be mirrored, the shallowest choice first: the plan is made deeper by `timed_by`; none for
            a plan that is settled.
        first_plain: Whether the first fold is not mirrored.
        averaged: Whether the folds' weights are averaged into one network, which goes by the first fold's number.
    """

    folds: tuple[int, ...]
    flips: tuple[Axes, ...]
    tile_step: float
    reason: str
    timed: tuple[Axes, ...] = ()
    first_plain: bool = False
    averaged: bool = False

    @property
    def networks(self) -> tuple[int, ...]:
        """The numbers by which the networks go that sweep: the folds', or that of the first."""
        return self.folds[:1] if self.averaged else self.folds

    @property
    def sweeps(self) -> tuple[tuple[int, Axes], ...]:
        """Pairs (fold, flip) in the order in which they run: every fold plain first, then flip by flip."""
        mirrored = self.networks[1:] if self.first_plain else self.networks
        return tuple((fold, flip) for flip in self.flips for fold in (mirrored if flip else self.networks))

    def timed_by(self, sweep_s: float, left_s: float) -> InferencePlan:
        """The plan, settled: the deepest choice whose sweeps by all folds but the first fit into the time.

        Args:
            sweep_s: Seconds of the first sweep.
            left_s: Seconds left after it.
        """
        if not self.timed:
            return self
        others = len(self.networks) - 1
        if not others:
            reason = "The first network is not mirrored, and there is no other."
            return replace(self, flips=((),), reason=reason, timed=(), first_plain=True)
        fitting = [axes for axes in self.timed if others * 2 ** len(axes) * sweep_s <= left_s] or self.timed[:1]
        reason = f"The first sweep took {sweep_s:.1f} s, and {left_s:.0f} s were left: {_mirrored(fitting[-1])}."
        return replace(self, flips=_subsets(fitting[-1]), reason=reason, timed=(), first_plain=True)

    def mirrored_only_along(self, axes: Axes) -> InferencePlan:
        """The plan without flips along other axes: a network was not taught what it never saw mirrored."""
        flips = tuple(flip for flip in self.flips if set(flip) <= set(axes))
        timed = tuple(choice for choice in self.timed if set(choice) <= set(axes))
        if (flips, timed) == (self.flips, self.timed):
            return self
        reason = f"{self.reason} Training mirrored the axes {_listed(axes) or 'none'} only, so no others are mirrored."
        return replace(self, flips=flips, timed=timed, reason=reason)


def plan_inference(
    recipe: Recipe,
    stage: Stage,
    limits: Limits,
    folds: tuple[int, ...],
    *,
    network_voxels: int,
    input_voxels: int,
) -> InferencePlan:
    """Plan the sweeps of one stage over one case.

    Args:
        recipe: The system, with its depth table.
        stage: The stage, with its tile step.
        limits: What the user allows: depth, folds and what becomes of them, tile step.
        folds: The folds that the weights hold.
        network_voxels: Voxels that the networks will sweep, after crop and resampling.
        input_voxels: Voxels of the PET as it came.

    Raises:
        PlanError: When the weights hold no fold, or not those that are asked for.
    """
    step = stage.tile_step if limits.tile_step is None else limits.tile_step
    chosen = _chosen_folds(limits, folds)
    if isinstance(recipe.depth, TimedDepth) and limits.depth in {"voxels", "published"}:
        reason = "The first fold is timed before the others are mirrored."
        plan = InferencePlan(chosen, ((),), step, reason, timed=recipe.depth.choices)
    else:
        axes, reason = _mirroring(recipe, limits, network_voxels, input_voxels)
        plan = InferencePlan(chosen, _subsets(axes), step, reason)
    return replace(plan, averaged=limits.average_folds)


def _chosen_folds(limits: Limits, folds: tuple[int, ...]) -> tuple[int, ...]:
    if not folds:
        raise PlanError("a stage needs at least one fold; the weights hold none: import or train some")
    if limits.folds is None:
        return folds
    missing = [fold for fold in limits.folds if fold not in folds]
    if missing:
        raise PlanError(
            f"only folds that the weights hold can be used: {_listed(missing)} asked for, {_listed(folds)} "
            "there; choose among these, or leave the choice out to use all"
        )
    return limits.folds


def _mirroring(recipe: Recipe, limits: Limits, network_voxels: int, input_voxels: int) -> tuple[Axes, str]:
    match limits.depth:
        case int(flips):
            axes = AXES_OF_DEPTH[flips]
            return axes, f"A depth of {flips} was asked for: {_mirrored(axes)}."
        case "deadline":
            choices = recipe.depth.choices if isinstance(recipe.depth, TimedDepth) else _rows(recipe).values()
            axes = tuple(sorted({axis for choice in choices for axis in choice}))
            return axes, f"As many of {2 ** len(axes)} flips as the time limit allows: {_mirrored(axes)}."
        case "voxels":
            return _by_table(recipe, network_voxels, "the network's grid")
        case "published":
            return _by_table(recipe, input_voxels, "the input's grid")


def _by_table(recipe: Recipe, voxels: int, grid: str) -> tuple[Axes, str]:
    rows = _rows(recipe)
    if not any(rows.values()):
        return (), "The system mirrors nothing."
    row = next((DepthRow(*pair) for pair in rows.items() if voxels < pair[0]), DepthRow(math.inf, ()))
    bounds = [below for below in rows if math.isfinite(below)]
    if math.isfinite(row.below_voxels):
        compared = f"are below {row.below_voxels / 1e6:g}"
    else:
        compared = f"are not below {max(bounds) / 1e6:g}" if bounds else "are treated as any number is"
    size = math.floor(voxels / 1e5) / 10  # cut, not rounded: what is below 18 must not read 18.0
    return row.mirror_axes, f"{size} Mvox on {grid} {compared}: {_mirrored(row.mirror_axes)}."


def _rows(recipe: Recipe) -> dict[float, Axes]:
    """The rows of the depth table: axes by the bound of the voxels."""
    rows = () if isinstance(recipe.depth, TimedDepth) else recipe.depth
    return {row.below_voxels: row.mirror_axes for row in rows}


def _mirrored(axes: Axes) -> str:
    return f"mirrored along {'axis' if len(axes) == 1 else 'axes'} {_listed(axes)}" if axes else "not mirrored"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _subsets(axes: Axes) -> tuple[Axes, ...]:
    """All sets of axes in nnU-Net's order: none, each alone, pairs, all three."""
    return tuple(subset for size in range(len(axes) + 1) for subset in combinations(axes, size))
