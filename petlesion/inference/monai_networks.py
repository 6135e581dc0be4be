# SPDX-License-Identifier: Apache-2.0
"""Networks of MONAI, by a fixed list of names; MONAI is imported here alone, and only when such a network is built."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from petlesion.inference.architectures import NetworkError, check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from petlesion.recipe import MonaiNetwork

NETWORKS = ("DynUNet", "SegResNetDS", "SwinUNETR", "UNet")


def monai_network(network: MonaiNetwork, n_inputs: int) -> nn.Module:
    """The network on the default device, with torch's own random weights.

    Args:
        network: Its name and arguments.
        n_inputs: Input channels.

    Returns:
        A module (B, n_inputs, X, Y, Z) -> (B, outputs, X, Y, Z), and in training, with deep supervision, more.

    Raises:
        NetworkError: When the name is none of the list, or the arguments do not fit it.
    """
    if network.name not in NETWORKS:
        raise NetworkError(f"plans may name the MONAI networks {list(NETWORKS)}; they name {network.name[:80]!r}")
    arguments = dict(network.arguments)
    taken = {"spatial_dims", "in_channels", "out_channels"} & arguments.keys()
    if taken:
        raise NetworkError(f"{network.name}: {sorted(taken)} follow from the channels and outputs of the plans")
    check_arguments(arguments, network.name)
    try:
        with _ReadableRates():
            built: nn.Module = _known()[network.name](
                spatial_dims=3, in_channels=n_inputs, out_channels=network.outputs, **arguments
            )
    except (
        *(TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError, RuntimeError),
        *(NotImplementedError, ArithmeticError),
    ) as error:
        raise NetworkError(f"{network.name} cannot be built of {str(arguments)[:200]}: {str(error)[:500]}") from error
    return built


class _ReadableRates(TorchFunctionMode):
    """Keeps what `torch.linspace` makes on the CPU: SwinUNETR reads its drop rates there, also on the meta device."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        device = {"device": "cpu"} if func is torch.linspace else {}
        return func(*args, **device | dict(kwargs or {}))


def _known() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's imports: they warn of packages that are not used here
        from monai.networks import nets  # noqa: PLC0415 - it takes seconds
    return {name: getattr(nets, name) for name in NETWORKS}


class LesionLogit(nn.Module):
    """A network of MONAI that gives one channel: the logit of the lesion, (B, C, X, Y, Z) -> (B, 1, X, Y, Z).

    Of two outputs it is the lesion's minus the background's, whose sigmoid is the lesion's softmax.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The logit of an image."""
        output = self.network(image)
        full: torch.Tensor = output[0] if isinstance(output, list | tuple) else output
        return full if full.shape[1] == 1 else full[:, 1:] - full[:, :1]
