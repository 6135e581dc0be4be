# SPDX-License-Identifier: Apache-2.0
"""Initial weights from a pretrained checkpoint of another data set: other channels, other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.inference.checkpoints import PREFIXES
from petlesion.inference.manifest import WeightsError
from petlesion.inference.networks import canonical_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

HEADS = "seg_layers."  # of lesions and of organs: their classes are those of the other data set


def initial_state(weights: Mapping[str, torch.Tensor], network: nn.Module, where: str) -> dict[str, torch.Tensor]:
    """The weights that a network begins with: all of the checkpoint's but the segmentation heads.

    A stem of one channel is replicated to the network's channels and divided by their number, so that the same image
    in every channel gives what it gave in one (Rokuss et al. replicate it; the norm that follows makes the factor
    invisible).

    Args:
        weights: State dict of the checkpoint, with or without prefixes of distributed training.
        network: The network to be trained, on any device.
        where: The file, for messages.

    Returns:
        Part of a state dict of the network, under all names that a layer has: load it with `strict=False`.

    Raises:
        WeightsError: When a layer is missing, or of a shape that does not fit.
    """
    plain = {PREFIXES.sub("", key): tensor for key, tensor in weights.items()}
    first = canonical_keys(network)
    state = {}
    for key, tensor in network.state_dict(keep_vars=True).items():
        if HEADS in key:
            continue
        found = plain.get(key, plain.get(first[key]))
        if found is None:
            raise WeightsError(f"{where}: pretrained weights hold every layer but the heads; {key} is missing")
        state[key] = _fitted(found, tuple(tensor.shape), f"{where}: {key}")
    return state


def _fitted(found: torch.Tensor, shape: tuple[int, ...], where: str) -> torch.Tensor:
    """A tensor of the given shape: the one found, or a stem's single channel replicated."""
    if tuple(found.shape) == shape:
        return found
    if len(shape) < 2 or tuple(found.shape) != (shape[0], 1, *shape[2:]):
        raise WeightsError(f"{where} must have the shape {shape}, or one input channel; it has {tuple(found.shape)}")
    return found.repeat(1, shape[1], *[1] * (len(shape) - 2)) / shape[1]
