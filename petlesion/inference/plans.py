# SPDX-License-Identifier: Apache-2.0
"""A model's plans, nnU-Net's or MONAI's, and what differs between the two when a case is prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.inference.monai_inputs import monai_patch_extent, prepare_monai
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.preprocess import ModelInput, patch_extent, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from petlesion.inference.body import Box
    from petlesion.inference.weights import ModelEntry, ModelStore
    from petlesion.volume import Grid, Index

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
    channels: Sequence[NDArray[np.float32]], grid: Grid, plans: Plans, box: Box | None = None
) -> ModelInput:
    """Bring channels on the PET's grid, each float32, (Z, Y, X), to the networks' grid.

    Raises:
        PrepareError: When the channels are not as many as the plans have, or differ in shape.
    """
    if isinstance(plans, MonaiPlans):
        return prepare_monai(channels, grid, plans, box)
    return prepare(channels, grid.spacing_zyx_mm, plans, box)


def extent_of(plans: Plans, grid: Grid) -> Index:
    """The networks' patch in voxels of the PET's grid, rounded up, (z, y, x)."""
    if isinstance(plans, MonaiPlans):
        return monai_patch_extent(plans, grid)
    return patch_extent(plans, grid.spacing_zyx_mm)


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
