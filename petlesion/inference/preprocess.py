# SPDX-License-Identifier: Apache-2.0
"""From the PET's grid to the network's and back, as nnU-Net 2.x does it.

Forward: crop to what is not zero, transpose, normalise, resample; in this order, because nnU-Net's statistics
are those of the cropped image before resampling. A box of the body may narrow the crop further; the
statistics stay those of the image without it: the box changes what the networks see, not its values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import cc3d
import numpy as np
import torch
from torch.nn import functional

from petlesion.inference.body import Box
from petlesion.inference.normalize import Normalization, Scaling, Scheme
from petlesion.inference.resample import Resampling, resample, resampled_shape
from petlesion.inference.tile_memory import key_of, machinery, recall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.inference.nnunet_plans import NnunetPlans
    from petlesion.inference.tile_memory import TileMemory
    from petlesion.volume import Index, Triple

CPU = torch.device("cpu")  # where inputs are prepared
FAINT = 5e-5  # of a click's peak: a spline rings on for a dozen voxels around it, and windows there would change


class PrepareError(ValueError):
    """Arrays that do not fit one another or the plans."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelInput:
    """What the networks see, and the way back.

    Attributes:
        array_czyx: Normalised and resampled channels, float32, (C, Z, Y, X) in the NETWORK's axis order.
        shape_zyx: Shape of the PET's grid.
        box: The part of the PET's grid that the array covers.
        transpose_forward: Network axis i is image axis `transpose_forward[i]`.
        way_back: The change of grid from the network's output to the box, in the network's axis order.
        flips: Network axes that run against the image's.
    """

    array_czyx: NDArray[np.float32]
    shape_zyx: Index
    box: Box
    transpose_forward: Index
    way_back: Resampling
    flips: tuple[int, ...] = ()


def patch_extent(plans: NnunetPlans, spacing_zyx_mm: Triple) -> Index:
    """The network's patch in voxels of an image of the given spacing in mm, rounded up, (z, y, x)."""
    sizes = [0, 0, 0]
    for patch, mm, axis in zip(plans.patch_zyx, plans.spacing_zyx_mm, plans.transpose_forward, strict=True):
        sizes[axis] = math.ceil(patch * mm / spacing_zyx_mm[axis])
    return (sizes[0], sizes[1], sizes[2])


def prepare(
    channels: Sequence[NDArray[np.float32]],
    spacing_zyx_mm: Triple,
    plans: NnunetPlans,
    box: Box | None = None,
    memory: TileMemory | None = None,
) -> ModelInput:
    """Bring the channels of a case to the network's grid.

    Args:
        channels: Input channels in the plans' order, each float32, (Z, Y, X), on the PET's grid.
        spacing_zyx_mm: Spacing of the PET's grid, (z, y, x), in mm.
        plans: nnU-Net's plans.
        box: The part of the grid to prepare; None takes all of it. Statistics are always those of all of it.
        memory: Where channels that were brought there before are found again; see `tile_memory`.

    Raises:
        PrepareError: When the number of channels is not the plans', or the channels differ in shape.
    """
    shape = _common_shape(channels, plans)
    filled = nonzero_box(channels)
    region = filled if box is None else filled.common(box) or box
    mask = _nonzero_mask(channels) if any(_is_masked(plans, i) for i in range(len(channels))) else None
    there, back = _ways(region.shape_zyx, spacing_zyx_mm, plans)
    array = np.empty((len(channels), *there.new_shape), dtype=np.float32)
    way = (filled, region, plans.transpose_forward, there)
    for i, (channel, rule) in enumerate(zip(channels, plans.normalizations, strict=True)):
        if memory is None or there.is_identity or _is_masked(plans, i):
            _bring(channel, mask if _is_masked(plans, i) else None, rule, way, array[i])
        else:
            key = partial(key_of, "channel", repr((rule, way)), machinery(CPU), array=channel)
            array[i] = recall(memory, key, partial(_bring, channel, None, rule, way, array[i]))
    return ModelInput(array, shape, region, plans.transpose_forward, back)


def _bring(
    channel: NDArray[np.float32],
    inside: NDArray[np.bool_] | None,
    rule: Normalization,
    way: tuple[Box, Box, Index, Resampling],
    place: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Bring one channel to its `place`, which is returned, by the `way`: what is not zero, what is wanted, the axes."""
    filled, region, axes, there = way
    scaling = Scaling.of(rule, channel[filled.slices], _part(inside, filled))
    work = place if there.is_identity else np.empty(there.old_shape, dtype=np.float32)
    np.copyto(work, channel[region.slices].transpose(axes), casting="same_kind")
    scaling.apply(work, _part(inside, region, axes))
    if not there.is_identity:
        resample(work, there, place, _hushed if rule.scheme is Scheme.NONE else lambda slab: slab)
    return place


def _hushed(slab: torch.Tensor) -> torch.Tensor:
    """A part of a channel of clicks, or of another mask, without what is too faint to mean anything."""
    return functional.hardshrink(slab, FAINT)


def restore(logit_zyx: NDArray[np.float32], model_input: ModelInput) -> NDArray[np.bool_]:
    """The mask on the PET's grid: where the tumour's logit exceeds the background's.

    Args:
        logit_zyx: Tumour minus background logit (or probability) on the network's grid, float32, network axis order.
        model_input: What the networks saw.

    Returns:
        The mask, bool, (Z, Y, X). A logit of exactly 0 is background, as nnU-Net's argmax has it.

    Raises:
        PrepareError: When the logit is not on the grid of the input.
    """
    mask = np.zeros(model_input.shape_zyx, dtype=np.bool_)
    resample(logit_zyx, _checked(logit_zyx, model_input), _network_view(mask, model_input), lambda slab: slab > 0)
    return mask


def nonzero_box(channels: Sequence[NDArray[np.float32]]) -> Box:
    """nnU-Net's crop: the box around the voxels (z, y, x) where any channel is not 0; all where none is."""
    shape = channels[0].shape
    ends = [_nonzero_range([np.moveaxis(channel, axis, 0) for channel in channels]) for axis in range(3)]
    if ends[0] is None or ends[1] is None or ends[2] is None:
        return Box.whole((shape[0], shape[1], shape[2]))
    (z0, z1), (y0, y1), (x0, x1) = ends[0], ends[1], ends[2]
    return Box((z0, y0, x0), (z1, y1, x1))


def _nonzero_range(channels: list[NDArray[np.float32]]) -> tuple[int, int] | None:
    """First slice that is not all zero, and the slice behind the last; looks no further than it must."""

    def holds(i: int) -> bool:
        return any(bool(channel[i].any()) for channel in channels)

    n = len(channels[0])
    first = next((i for i in range(n) if holds(i)), None)
    if first is None:
        return None
    return first, 1 + next(i for i in reversed(range(n)) if holds(i))


def _nonzero_mask(channels: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """nnU-Net's mask of the patient: where any channel is not 0, with holes filled (6-connected)."""
    mask = channels[0] != 0
    for channel in channels[1:]:
        mask |= channel != 0
    labels = cc3d.connected_components(np.ascontiguousarray(~mask), connectivity=6)
    faces = [np.moveaxis(labels, axis, 0)[end] for axis in range(3) for end in (0, -1)]
    outside = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    outside[np.unique(np.concatenate([face.ravel() for face in faces]))] = True
    outside[0] = False  # label 0 is the mask itself
    return np.asarray(~outside[labels])


def _is_masked(plans: NnunetPlans, channel: int) -> bool:
    rule = plans.normalizations[channel]
    return rule.use_mask and rule.scheme is Scheme.Z_SCORE


def _part(mask_zyx: NDArray[np.bool_] | None, box: Box, axes: Index = (0, 1, 2)) -> NDArray[np.bool_] | None:
    """The part of a mask in a box, its axes in another order."""
    return None if mask_zyx is None else mask_zyx[box.slices].transpose(axes)


def _ways(shape_zyx: Index, spacing_zyx_mm: Triple, plans: NnunetPlans) -> tuple[Resampling, Resampling]:
    """The changes of grid to the network's and back, in the network's axis order."""
    z, y, x = plans.transpose_forward
    shape: Index = (shape_zyx[z], shape_zyx[y], shape_zyx[x])
    spacing_mm: Triple = (spacing_zyx_mm[z], spacing_zyx_mm[y], spacing_zyx_mm[x])
    new_shape = resampled_shape(shape, spacing_mm, plans.spacing_zyx_mm)
    return (
        Resampling.between((shape, new_shape), (spacing_mm, plans.spacing_zyx_mm), plans.image_resampling),
        Resampling.between((new_shape, shape), (plans.spacing_zyx_mm, spacing_mm), plans.logit_resampling),
    )


def _common_shape(channels: Sequence[NDArray[np.float32]], plans: NnunetPlans) -> Index:
    shapes = {channel.shape for channel in channels}
    if len(channels) != plans.n_channels:
        raise PrepareError(
            f"the plans have {plans.n_channels} channels {list(plans.channel_names)}; got {len(channels)}"
        )
    if len(shapes) != 1 or len(channels[0].shape) != 3:
        raise PrepareError(f"all channels must have one shape (Z, Y, X); got {sorted(shapes)}")
    z, y, x = channels[0].shape
    return (z, y, x)


def _network_view(array_zyx: NDArray[Any], model_input: ModelInput) -> NDArray[Any]:
    """The part of an array on the PET's grid that the networks see, along their axes; a view."""
    return np.flip(array_zyx[model_input.box.slices].transpose(model_input.transpose_forward), model_input.flips)


def _checked(logit_zyx: NDArray[np.float32], model_input: ModelInput) -> Resampling:
    """The way back, if the logit is at its beginning."""
    if tuple(logit_zyx.shape) != model_input.way_back.old_shape:
        raise PrepareError(
            f"a logit must have the shape of the network's input, {model_input.way_back.old_shape}; "
            f"got {tuple(logit_zyx.shape)}"
        )
    return model_input.way_back
