# SPDX-License-Identifier: Apache-2.0
"""Layers of the same numbers that a CPU computes faster: 3-D convolutions and instance norms.

Convolutions: torch sends a batch of one through its slow path wherever channels x depth x height are 20,480 or fewer,
which is every layer of a small window's network. The fast library (oneDNN) can be called by name. Measured on one core
with a window of 48^3: 186 ms by torch's choice, 75 ms by this.

oneDNN brings image and result into an order of its own, which takes as much memory again as both; of a large window
that is a gigabyte. So large convolutions go slab by slab.

Instance norms: a group norm with one channel a group is the same formula, and has the better kernel: 2.4 ms instead of
13.6 ms for 8 channels of 96^3, with the same deviation from a computation in float64 (1e-6). In channels-last order
the kernels of group norm and batch norm are faster still, but lose up to 0.03 of a standard deviation at 192^3, as they
add up in float32; and instance norm leaves that order. So nothing here is channels-last.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SLAB_NUMBERS = 1 << 22  # 16 MB, which `allocator` keeps for the next slab


class DirectConv3d(nn.Conv3d):
    """A convolution that goes to oneDNN whatever its size, on the CPU in float32."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        """(B, C, Z, Y, X) -> (B, C', Z', Y', X')."""
        if not _is_plain(input):
            return super().forward(input)
        if input.numel() > SLAB_NUMBERS and self.stride[0] == self.dilation[0] == 1:
            return self._by_slabs(input)
        return self._whole(input, int(self.padding[0]))

    def _whole(self, image: torch.Tensor, padding_z: int) -> torch.Tensor:
        padding = (padding_z, *self.padding[1:])
        result: torch.Tensor = torch.ops.aten.mkldnn_convolution(
            image, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
        )
        return result

    def _by_slabs(self, image: torch.Tensor) -> torch.Tensor:
        """Slab by slab along z, each with the slices that the kernel reaches beyond it."""
        n, below, reach = image.shape[2], int(self.padding[0]), self.kernel_size[0] - 1
        n_out, step = n + 2 * below - reach, max(1, SLAB_NUMBERS * n // image.numel())
        parts = ((first, min(first + step, n_out)) for first in range(0, n_out, step))
        result: torch.Tensor | None = None
        for first, last in parts:
            low, high = first - below, last + reach - below
            slab = functional.pad(image[:, :, max(low, 0) : min(high, n)], (0, 0, 0, 0, max(-low, 0), max(high - n, 0)))
            part = self._whole(slab.contiguous(), 0)
            if result is None:
                result = part.new_empty((*part.shape[:2], n_out, *part.shape[3:]))
            result[:, :, first:last] = part
        return self._whole(image, below) if result is None else result


class RowNorm3d(nn.InstanceNorm3d):
    """An instance norm by the kernel of group norm, on the CPU in float32."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        """(B, C, Z, Y, X), normalised over the last three axes."""
        if not _is_plain(input):
            return super().forward(input)
        return functional.group_norm(input, input.shape[1], self.weight, self.bias, self.eps)


def quicken(network: nn.Module) -> nn.Module:
    """Let a network's layers compute as this module does, where they can; the same module.

    The layers keep their weights, and their place under each of the names that a U-Net has for them. On another device,
    and in another number type, they do what they did before.
    """
    for module in network.modules():
        if type(module) is nn.Conv3d and _is_direct(module):
            module.__class__ = DirectConv3d
        elif type(module) is nn.InstanceNorm3d and not module.track_running_stats:
            module.__class__ = RowNorm3d
    return network


def _is_direct(module: nn.Conv3d) -> bool:
    """Whether oneDNN takes the convolution; one by single voxels is a product of matrices, which torch does as well."""
    padded = module.padding_mode == "zeros" and not isinstance(module.padding, str)
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and padded and max(module.kernel_size) > 1


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.ndim == 5
