# SPDX-License-Identifier: Apache-2.0
"""How deep a case is inferred: which folds, which flips, how far apart the tiles are.

"Dynamic inference depth" (Mesbah et al., autoPET IV): large cases get fewer test-time flips, so that they
end in time. The thresholds stand in the recipe; what is counted against them is chosen by `Limits.depth`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from petlesion.recipe import DepthRow

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
    """

    folds: tuple[int, ...]
    flips: tuple[Axes, ...]
    tile_step: float
    reason: str

    @property
    def sweeps(self) -> tuple[tuple[int, Axes], ...]:
        """Pairs (fold, flip) in the order in which they run: every fold plain first, then flip by flip."""
        return tuple((fold, flip) for flip in self.flips for fold in self.folds)

    def mirrored_only_along(self, axes: Axes) -> InferencePlan:
        """The plan without flips along other axes: a network was not taught what it never saw mirrored."""
        flips = tuple(flip for flip in self.flips if set(flip) <= set(axes))
        if flips == self.flips:
            return self
        reason = f"{self.reason} Training mirrored the axes {_listed(axes) or 'none'} only, so no others are mirrored."
        return replace(self, flips=flips, reason=reason)


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
        limits: What the user allows: depth, folds, tile step.
        folds: The folds that the weights hold.
        network_voxels: Voxels that the networks will sweep, after crop and resampling.
        input_voxels: Voxels of the PET as it came.

    Raises:
        PlanError: When the weights hold no fold, or not those that are asked for.
    """
    axes, reason = _mirroring(recipe, limits, network_voxels, input_voxels)
    step = stage.tile_step if limits.tile_step is None else limits.tile_step
    return InferencePlan(_chosen_folds(limits, folds), _subsets(axes), step, reason)


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
            axes = tuple(sorted({axis for row in recipe.depth_table for axis in row.mirror_axes}))
            return axes, f"As many of {2 ** len(axes)} flips as the time limit allows: {_mirrored(axes)}."
        case "voxels":
            return _by_table(recipe, network_voxels, "the network's grid")
        case "published":
            return _by_table(recipe, input_voxels, "the input's grid")


def _by_table(recipe: Recipe, voxels: int, grid: str) -> tuple[Axes, str]:
    row = next((row for row in recipe.depth_table if voxels < row.below_voxels), DepthRow(math.inf, ()))
    bounds = [row.below_voxels for row in recipe.depth_table if math.isfinite(row.below_voxels)]
    if math.isfinite(row.below_voxels):
        compared = f"are below {row.below_voxels / 1e6:g}"
    else:
        compared = f"are not below {max(bounds) / 1e6:g}" if bounds else "are treated as any number is"
    size = math.floor(voxels / 1e5) / 10  # cut, not rounded: what is below 18 must not read 18.0
    return row.mirror_axes, f"{size} Mvox on {grid} {compared}: {_mirrored(row.mirror_axes)}."


def _mirrored(axes: Axes) -> str:
    return f"mirrored along {'axis' if len(axes) == 1 else 'axes'} {_listed(axes)}" if axes else "not mirrored"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _subsets(axes: Axes) -> tuple[Axes, ...]:
    """All sets of axes in nnU-Net's order: none, each alone, pairs, all three."""
    return tuple(subset for size in range(len(axes) + 1) for subset in combinations(axes, size))
