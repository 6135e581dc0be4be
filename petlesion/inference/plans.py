# SPDX-License-Identifier: Apache-2.0
"""A model's plans, nnU-Net's or MONAI's, and what differs between the two when a case is prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.inference.body import body_box
from petlesion.inference.monai_inputs import prepare_monai
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.orientation import oriented_axes
from petlesion.inference.preprocess import ModelInput, prepare
from petlesion.inference.ruler import TileRuler

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.inference.body import Box
    from petlesion.inference.tile_memory import TileMemory
    from petlesion.inference.tiles import SlidingWindow
    from petlesion.inference.weights import ModelEntry, ModelStore
    from petlesion.volume import Grid

Plans = NnunetPlans | MonaiPlans


def read_plans(store: ModelStore, entry: ModelEntry) -> Plans:
    """The plans of a model.

    Raises:
        WeightsError: When a file is missing or no JSON.
        PlansError: When they ask for what is not supported.
    """
    if entry.architecture == "monai":
        return MonaiPlans.parse(store.plans(entry))
    return NnunetPlans.parse(store.plans(entry), store.dataset(entry), entry.configuration)


def prepare_input(
    channels: Sequence[NDArray[np.float32]],
    grid: Grid,
    plans: Plans,
    box: Box | None = None,
    memory: TileMemory | None = None,
) -> ModelInput:
    """Bring channels on the PET's grid, each float32, (Z, Y, X), to the networks' grid.

    Those of nnU-Net's models that `memory` holds are taken from there.

    Raises:
        PrepareError: When the channels are not as many as the plans have, or differ in shape.
    """
    if isinstance(plans, MonaiPlans):
        return prepare_monai(channels, grid, plans, box)
    return prepare(channels, grid.spacing_zyx_mm, plans, box, memory)


def ruler_of(plans: Plans, grid: Grid, step: float, window: SlidingWindow) -> TileRuler:
    """What a box of the PET's grid costs in tiles of the networks."""
    if isinstance(plans, MonaiPlans):
        axes, spacing_mm = oriented_axes(grid, plans.grid.orientation).transpose, plans.grid.spacing_xyz_mm
    else:
        axes, spacing_mm = plans.transpose_forward, plans.spacing_zyx_mm
    patch, ratios = [0, 0, 0], [1.0, 1.0, 1.0]
    for axis, size, mm in zip(axes, plans.patch_zyx, spacing_mm, strict=True):
        patch[axis], ratios[axis] = size, grid.spacing_zyx_mm[axis] / mm
    return TileRuler((patch[0], patch[1], patch[2]), (ratios[0], ratios[1], ratios[2]), step, window)


def stage_box(case: PetCtCase, plans: Sequence[Plans], step: float, window: SlidingWindow) -> Box | None:
    """The body's box for all ensembles of a stage: at least as large as every patch, snapped to their tiles."""
    rulers = [ruler_of(one, case.grid, step, window) for one in plans]
    z, y, x = (max(sizes) for sizes in zip(*(ruler.extent_zyx for ruler in rulers), strict=True))
    return body_box(case, (z, y, x), rulers)


def share_input(first: Plans, other: Plans) -> bool:
    """Whether two models see one and the same array, so that a case is prepared once and their answers averaged."""
    if isinstance(first, MonaiPlans) and isinstance(other, MonaiPlans):
        return first.grid == other.grid
    if isinstance(first, NnunetPlans) and isinstance(other, NnunetPlans):
        return _sight(first) == _sight(other)
    return False


def _sight(plans: NnunetPlans) -> tuple[object, ...]:
    return (
        *(plans.spacing_zyx_mm, plans.transpose_forward, plans.normalizations),
        *(plans.image_resampling, plans.logit_resampling),
    )
