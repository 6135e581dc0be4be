# SPDX-License-Identifier: Apache-2.0
"""From the PET's grid to that of MONAI's networks, as `Orientationd`, `Spacingd` and a scaling do it.

The way back is that of every network: `preprocess.restore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from petlesion.inference.body import Box, bounding_box
from petlesion.inference.normalize import Scaling
from petlesion.inference.orientation import oriented_axes
from petlesion.inference.preprocess import ModelInput, PrepareError
from petlesion.inference.resample import Resampling, resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.inference.monai_plans import MonaiPlans
    from petlesion.volume import Grid, Triple

LINEAR, NEAREST = 1, 0


def prepare_monai(
    channels: Sequence[NDArray[np.float32]], grid: Grid, plans: MonaiPlans, box: Box | None = None
) -> ModelInput:
    """Bring the channels of a case to the networks' grid: crop, orient, resample, scale.

    Args:
        channels: Input channels in the plans' order, each float32, (Z, Y, X), on the PET's grid; the first is the CT.
        grid: The PET's grid.
        plans: Of the networks.
        box: The part of the grid to prepare; None takes all of it.

    Returns:
        The input; the first voxel of the box is the first voxel of the array, or the last along an axis that is
        flipped.

    Raises:
        PrepareError: When the number of channels is not the plans', or the channels are not of the grid's shape.
    """
    if len(channels) != plans.n_channels or any(channel.shape != grid.shape_zyx for channel in channels):
        shapes = [channel.shape for channel in channels]
        raise PrepareError(f"{plans.n_channels} channels of the shape {grid.shape_zyx} are expected; got {shapes}")
    region = _foreground(channels[0], plans.grid.foreground_above_hu)
    region = region if box is None else region.common(box) or box
    axes = oriented_axes(grid, plans.grid.orientation)
    a, b, c = (region.shape_zyx[axis] for axis in axes.transpose)
    p, q, r = (grid.spacing_zyx_mm[axis] for axis in axes.transpose)
    spacings: tuple[Triple, Triple] = ((p, q, r), plans.grid.spacing_xyz_mm)
    ways = {order: Resampling.points((a, b, c), spacings, order) for order in (LINEAR, NEAREST)}
    array = np.empty((len(channels), *ways[LINEAR].new_shape), np.float32)
    for out, channel, rule in zip(array, channels, plans.grid.channels, strict=True):
        source = np.flip(channel[region.slices].transpose(axes.transpose), axes.flips)
        resample(np.ascontiguousarray(source), ways[NEAREST if rule.nearest else LINEAR], out)
        Scaling(rule.low, rule.high, rule.shift, rule.scale).apply(out)
    return ModelInput(array, grid.shape_zyx, region, axes.transpose, ways[LINEAR].back(LINEAR), axes.flips)


def _foreground(ct_hu: NDArray[np.float32], above: float | None) -> Box:
    """The box around what is above a CT value; everything where nothing is."""
    z, y, x = ct_hu.shape
    found = None if above is None else bounding_box(ct_hu > above)
    return found or Box.whole((z, y, x))
