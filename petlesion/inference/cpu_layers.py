# SPDX-License-Identifier: Apache-2.0
"""Layers of the same numbers that a CPU computes faster: 3-D convolutions and instance norms.

Convolutions: torch sends a batch of one through its slow path wherever channels x depth x height are 20,480 or fewer,
which is every layer of a small window's network. The fast library (oneDNN) can be called by name. Measured on one core
with a window of 48^3: 186 ms by torch's choice, 75 ms by this.

Convolutions of few results: oneDNN computes as many channels at once as a register has numbers, 16 with AVX-512, and
where there are 8 channels the other half of the work is thrown away. There two slices are computed as 16 channels, by a
kernel that is one slice deeper and strides two: 36 products for each channel and slice pair instead of 54, and the same
bits, as the others are products with zero. Measured on one core: 12.7 -> 4.6 ms for 16 to 8 channels of 48^3, 3.7 ->
2.7 ms for 8 to 8, and 38 -> 11 ms for 3 to 8 of 96^3.

oneDNN brings image and result into an order of its own, which takes as much memory again as both; of a large window
that is a gigabyte. So large convolutions go slab by slab. A slab's result may be written over the image, and so may a
norm's: `lean_unet` says where.

Instance norms: a group norm with one channel a group is the same formula, and has the better kernel: 2.4 ms instead of
13.6 ms for 8 channels of 96^3, with the same deviation from a computation in float64 (1e-6). In channels-last order
the kernels of group norm and batch norm are faster still, but lose up to 0.03 of a standard deviation at 192^3, as they
add up in float32; and instance norm leaves that order. So nothing here is channels-last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from petlesion.volume import Index

REGISTER_NUMBERS = 16 if torch.backends.cpu.get_cpu_capability().startswith("AVX512") else 8
SLAB_NUMBERS = 1 << 22  # 16 MB, which `allocator` keeps for the next slab


class DirectConv3d(nn.Conv3d):
    """A convolution that goes to oneDNN whatever its size, on the CPU in float32."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        """(B, C, Z, Y, X) -> (B, C', Z', Y', X')."""
        return self.over((input,))

    def over(self, parts: tuple[torch.Tensor, ...], into: torch.Tensor | None = None) -> torch.Tensor:
        """The convolution of volumes that are joined along the channels; large ones are never joined whole.

        Args:
            parts: Volumes (B, C, Z, Y, X) whose channels together are the layer's.
            into: One of the parts that nobody needs any more: a large result of its shape is written over it.
        """
        if not _is_plain(parts[0]):
            return super().forward(_joined(parts))
        large = sum(part.numel() for part in parts) > SLAB_NUMBERS
        if large and self.stride[0] == self.dilation[0] == 1 and self._depth(parts[0]) > 0:
            return self._by_slabs(parts, into)
        return self._whole(_joined(parts), int(self.padding[0]))

    def _whole(self, image: torch.Tensor, padding_z: int) -> torch.Tensor:
        if max(self.kernel_size) == 1:  # a product of matrices, which torch does as well
            return super().forward(image)
        padding = (padding_z, int(self.padding[1]), int(self.padding[2]))
        if self._pairs and (image.shape[2] + 2 * padding_z - self.kernel_size[0]) % 2:
            return self._by_pairs(image, padding)
        result: torch.Tensor = torch.ops.aten.mkldnn_convolution(
            image, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
        )
        return result

    @property
    def _pairs(self) -> bool:
        """Whether two slices of the result are computed for the price of one."""
        plain = self.stride[0] == self.dilation[0] == self.groups == 1
        return plain and self.kernel_size[0] > 1 and 2 * self.out_channels <= REGISTER_NUMBERS

    def _by_pairs(self, image: torch.Tensor, padding: Index) -> torch.Tensor:
        """A result of an even number of slices, each two of them computed as twice as many channels."""
        n_out, n_in, depth, *plane = self.weight.shape
        both = self.weight.new_zeros((n_out, 2, n_in, depth + 1, *plane))
        both[:, 0, :, :depth] = self.weight
        both[:, 1, :, 1:] = self.weight
        bias = None if self.bias is None else self.bias.repeat_interleave(2)
        pairs: torch.Tensor = torch.ops.aten.mkldnn_convolution(
            image, both.flatten(0, 1), bias, padding, (2, *self.stride[1:]), self.dilation, 1
        )
        n_pairs, *size = pairs.shape[2:]
        apart = pairs.view(len(image), n_out, 2, n_pairs, *size).transpose(2, 3)
        return apart.reshape(len(image), n_out, 2 * n_pairs, *size)

    def _depth(self, image: torch.Tensor) -> int:
        """Slices of the result, where these are as dense as the image's."""
        return image.shape[2] + 2 * int(self.padding[0]) - self.kernel_size[0] + 1

    def _by_slabs(self, parts: tuple[torch.Tensor, ...], into: torch.Tensor | None) -> torch.Tensor:
        """Slab by slab along z, each with the slices that the kernel reaches beyond it."""
        depth, below, reach = self._depth(parts[0]), int(self.padding[0]), self.kernel_size[0] - 1
        step = max(1, below, SLAB_NUMBERS // sum(part[:, :, 0].numel() for part in parts))
        step += step % 2  # for pairs of slices
        result = into
        tails = tuple(part[:, :, :0] for part in parts)
        for first in range(0, depth, step):
            last = min(first + step, depth)
            slab = _slab(parts, tails, first - below, last + reach - below)
            found = self._whole(slab, 0)
            if result is None or result[:, :, :1].shape != found[:, :, :1].shape or result.shape[2] != depth:
                result, into = found.new_empty((*found.shape[:2], depth, *found.shape[3:])), None
            if into is not None:  # the slices that the next slab reaches back to are about to be overwritten
                kept = slab[:, :, last - first : last - first + below].clone()
                tails = torch.split(kept, [part.shape[1] for part in parts], 1)
            result[:, :, first:last] = found
        return result if result is not None else self._whole(_joined(parts), below)


class RowNorm3d(nn.InstanceNorm3d):
    """An instance norm by the kernel of group norm, on the CPU in float32."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        """(B, C, Z, Y, X), normalised over the last three axes."""
        if not _is_plain(input):
            return super().forward(input)
        return functional.group_norm(input, input.shape[1], self.weight, self.bias, self.eps)

    def in_place(self, image: torch.Tensor, after: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """`after(self(image))`, written over a large image, some channels at a time; `after` is voxel by voxel."""
        if not _is_plain(image) or image.numel() <= SLAB_NUMBERS:
            return after(self(image))
        step = max(torch.get_num_threads(), SLAB_NUMBERS // image[:, 0].numel())
        for first in range(0, image.shape[1], step):
            rows = slice(first, first + step)
            weight, bias = (None if one is None else one[rows] for one in (self.weight, self.bias))
            part = image[:, rows]
            part.copy_(after(functional.group_norm(part, part.shape[1], weight, bias, self.eps)))
        return image


class SlabUp3d(nn.ConvTranspose3d):
    """A transposed convolution whose stride is its kernel: slabs of the input are slabs of the result."""

    def forward(self, input: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:  # noqa: A002
        """(B, C, Z, Y, X) -> (B, C', Z', Y', X')."""
        each = self.out_channels * math.prod(self.stride) * input[0, 0, 0].numel() * len(input)  # of one slice
        if not _is_plain(input) or output_size is not None or each * input.shape[2] <= SLAB_NUMBERS:
            return super().forward(input, output_size)
        (n, y, x), up = input.shape[2:], self.stride
        result = input.new_empty((len(input), self.out_channels, n * up[0], y * up[1], x * up[2]))
        step = max(1, SLAB_NUMBERS // each)
        for first in range(0, n, step):
            slab = input[:, :, first : first + step].contiguous()
            result[:, :, first * up[0] : (first + step) * up[0]] = super().forward(slab)
        return result


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
        elif type(module) is nn.ConvTranspose3d and _is_doubling(module):
            module.__class__ = SlabUp3d
    return network


def _is_direct(module: nn.Conv3d) -> bool:
    """Whether oneDNN takes the convolution."""
    padded = module.padding_mode == "zeros" and not isinstance(module.padding, str)
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and padded


def _is_doubling(module: nn.ConvTranspose3d) -> bool:
    plain = set(module.padding) == set(module.output_padding) == {0} and set(module.dilation) == {module.groups} == {1}
    return plain and module.kernel_size == module.stride


def _joined(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _slab(parts: tuple[torch.Tensor, ...], tails: tuple[torch.Tensor, ...], low: int, high: int) -> torch.Tensor:
    """Slices [low, high) of the joined parts, the first of them from `tails`; zeros beyond the faces."""
    batch, _, n, *plane = parts[0].shape
    slab = parts[0].new_empty((batch, sum(part.shape[1] for part in parts), high - low, *plane))
    pieces = torch.split(slab, [part.shape[1] for part in parts], 1)
    for piece, part, tail in zip(pieces, parts, tails, strict=True):
        held = tail.shape[2]
        start, stop = max(low + held, 0), min(high, n)
        piece[:, :, :held] = tail
        piece[:, :, held : start - low] = 0
        piece[:, :, start - low : stop - low] = part[:, :, start:stop]
        piece[:, :, stop - low :] = 0
    return slab


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.ndim == 5
