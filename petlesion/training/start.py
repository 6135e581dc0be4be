# SPDX-License-Identifier: Apache-2.0
"""Weights to start from: a store's, brought to the statistics and the rows of the network that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petlesion.inference.normalize import Intensity

STEM = "encoder.stem.convs.0.conv."

State = dict[str, torch.Tensor]


def restated(state: State, old: Sequence[Intensity | None], new: Sequence[Intensity | None]) -> State:
    """Weights that give on channels of new statistics what they gave on channels of the old ones.

    Exact but for values that one of the two clips and at the patch's border, where the padding's zero means something
    else.

    Args:
        state: Of a residual-encoder U-Net, whose first convolution is `STEM`.
        old: For each input channel the statistics with which the weights were trained; None where there are none.
        new: Those with which they are used from now on.
    """
    weight, bias = state[STEM + "weight"].clone(), state[STEM + "bias"].clone()
    for channel, (before, after) in enumerate(zip(old, new, strict=True)):
        if before is None or after is None:
            continue
        bias += weight[:, channel].sum(dim=(1, 2, 3)) * ((after.mean - before.mean) / before.std)
        weight[:, channel] *= after.std / before.std
    return state | {STEM + "weight": weight, STEM + "bias": bias}


def fitted(state: State, fresh: State) -> State | None:
    """Weights of a network with more input channels at the end and fewer output rows, as those of a fresh one.

    Returns:
        `state` without the channels that `fresh` lacks, with the rows of `fresh` that it lacks; None where the two
        are of other networks.
    """
    name = STEM + "weight"
    if name in state and name in fresh:
        state = state | {name: state[name][:, : fresh[name].shape[1]]}
    if state.keys() != fresh.keys() or any(not _fits(state[key], fresh[key]) for key in fresh):
        return None
    return with_rows(state, fresh)


def _fits(held: torch.Tensor, fresh: torch.Tensor) -> bool:
    return held.shape[1:] == fresh.shape[1:] and held.shape[:1] <= fresh.shape[:1]


def with_rows(state: State, fresh: State) -> State:
    """Weights of a network with fewer output rows, filled up with the rows of a fresh one."""
    missing = {key: fresh[key][len(tensor) :] for key, tensor in state.items() if tensor.dim()}
    return {key: torch.cat([tensor, missing[key]]) if key in missing else tensor for key, tensor in state.items()}
