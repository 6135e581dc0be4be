# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's U-Nets with fewer volumes alive at once: the same layers in the same order, results over their images.

At full resolution one volume of features is the largest thing in the memory (226 MB for 8 features of 192^3 in
float32), and as they are written the U-Nets hold five of them: skip, upsampled features, both of them joined, the
convolution's result and the norm's. Here it is two. What is read for the last time is written over: the image of a
second convolution in a row, the image of a norm, the upsampled features. Skips are let go once they are read, and are
joined with the upsampled features slab by slab.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamic_network_architectures.building_blocks.residual import BasicBlockD
from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU, StackedConvBlocks
from dynamic_network_architectures.building_blocks.unet_decoder import UNetDecoder
from torch import nn

from petlesion.inference.cpu_layers import DirectConv3d, RowNorm3d, quicken

if TYPE_CHECKING:
    import torch


class LeanConv(ConvDropoutNormReLU):  # type: ignore[misc]  # the library has no types
    """Convolution, norm and activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X) -> (B, C', Z', Y', X')."""
        return self.over((x,))

    def over(self, parts: tuple[torch.Tensor, ...], into: torch.Tensor | None = None) -> torch.Tensor:
        """See `DirectConv3d.over`."""
        conv, *others = self.all_modules
        return _through(others, conv.over(parts, into))


class LeanStack(StackedConvBlocks):  # type: ignore[misc]
    """Convolutions in a row."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X) -> (B, C', Z', Y', X')."""
        return self.over((x,))

    def over(self, parts: tuple[torch.Tensor, ...], into: torch.Tensor | None = None) -> torch.Tensor:
        """See `DirectConv3d.over`."""
        first, *others = self.convs
        result: torch.Tensor = first.over(parts, into)
        for conv in others:
            result = conv.over((result,), result)
        return result


class LeanBlock(BasicBlockD):  # type: ignore[misc]
    """Two convolutions beside a skip."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X) -> (B, C', Z', Y', X')."""
        residual, result = self.skip(x), self.conv1(x)
        result = self.conv2.over((result,), result)
        result += residual
        del residual
        found: torch.Tensor = self.nonlin2(result)
        return found


class LeanDecoder(UNetDecoder):  # type: ignore[misc]
    """The way up, for inference: without deep supervision."""

    def forward(self, skips: list[torch.Tensor]) -> torch.Tensor:
        """Logits from the encoder's features, the finest first; the list is emptied."""
        result = skips.pop()
        for up, stage in zip(self.transpconvs, self.stages, strict=True):
            result = up(result)
            result = stage.over((result, skips.pop()), result)
        logits: torch.Tensor = self.seg_layers[-1](result)
        return logits


def slim(network: nn.Module) -> nn.Module:
    """Quicken a network's layers, and let those parts of a U-Net that can hold fewer volumes; the same module.

    It is for inference: in evaluation mode, without gradients. Parts of other kinds stay as they are.
    """
    quicken(network)
    module: Any
    for module in network.modules():
        if type(module) is ConvDropoutNormReLU and type(module.conv) is DirectConv3d:
            module.__class__ = LeanConv
    for module in network.modules():
        kind: Any = type(module)
        if kind is StackedConvBlocks and all(type(conv) is LeanConv for conv in module.convs):
            module.__class__ = LeanStack
        elif kind is BasicBlockD and not module.apply_se and type(module.conv2) is LeanConv:
            module.__class__ = LeanBlock
            if isinstance(module.nonlin2, nn.LeakyReLU | nn.ReLU):
                module.nonlin2.inplace = True
    for module in network.modules():
        if type(module) is UNetDecoder and not module.deep_supervision and _is_lean(module):
            module.__class__ = LeanDecoder
    return network


def _is_lean(decoder: Any) -> bool:  # noqa: ANN401 - a `UNetDecoder`
    return all(type(stage) is LeanStack for stage in decoder.stages)


def _through(modules: list[nn.Module], image: torch.Tensor) -> torch.Tensor:
    """An image that nobody else needs through norm and activation, in the order in which they are."""
    left = list(modules)
    while left:
        module = left.pop(0)
        if isinstance(module, RowNorm3d):
            after = left.pop(0) if left and isinstance(left[0], nn.LeakyReLU | nn.ReLU) else nn.Identity()
            image = module.in_place(image, after)
        else:
            image = module(image)
    return image
