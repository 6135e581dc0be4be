# SPDX-License-Identifier: Apache-2.0
"""From nnU-Net's plans to a network.

A plans file names Python classes. They are looked up in a fixed list, never imported by the name in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from dynamic_network_architectures.building_blocks.residual import BasicBlockD, BottleneckD
from torch import nn

from petlesion.inference.manifest import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

UNETS: dict[str, type[nn.Module]] = {
    "PlainConvUNet": PlainConvUNet,
    "ResidualEncoderUNet": ResidualEncoderUNet,
}
PARTS: dict[str, type[Any]] = {
    part.__name__: part
    for part in (
        *(nn.Conv2d, nn.Conv3d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.BatchNorm2d, nn.BatchNorm3d),
        *(nn.Dropout2d, nn.Dropout3d, nn.LeakyReLU, nn.ReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU),
        *(BasicBlockD, BottleneckD),
    )
}

LARGEST = 4096  # of any whole number: the widest layers known have 1024 features
DEEPEST = 64  # of a list, and of what counts layers one after the other
COUNTS_OF_LAYERS = {
    *("n_stages", "n_conv_per_stage", "n_blocks_per_stage", "n_conv_per_stage_decoder"),  # of nnU-Net's U-Nets
    *("num_res_units", "blocks_down", "blocks_up", "depths", "dsdepth"),  # of MONAI's networks
}
SIZES = {"features_per_stage", "kernel_sizes", "strides"}  # of nnU-Net's U-Nets: with a 0 among them layers are empty


class NetworkError(WeightsError):
    """A network that cannot be built from its plans, or is not of the kind asked for."""


def network_from_plans(
    plans: Mapping[str, Any],
    configuration: str,
    n_inputs: int,
    n_outputs: int,
    *,
    deep_supervision: bool = False,
) -> nn.Module:
    """The network of a configuration, on the default device, with torch's own random weights.

    Args:
        plans: Content of nnU-Net's plans.json, of its present or its older form.
        configuration: A configuration of the plans, such as "3d_fullres".
        n_inputs: Input channels.
        n_outputs: Classes, background included.
        deep_supervision: Whether `forward` gives a list, one tensor for each resolution; for training.

    Returns:
        A module (B, n_inputs, Z, Y, X) -> (B, n_outputs, Z, Y, X).

    Raises:
        NetworkError: When the plans lack the configuration, name a class outside the list, or do not fit it.
    """
    architecture = _architecture(configuration_of(plans, configuration))
    name = str(architecture["network_class_name"])
    unet = _listed(name, "dynamic_network_architectures.architectures.", UNETS)
    arguments = dict(architecture["arch_kwargs"]) | {"deep_supervision": deep_supervision}
    check_arguments(arguments, name)
    for key in _names(architecture["_kw_requires_import"]):
        if arguments.get(key) is not None:
            arguments[key] = _part(str(arguments[key]))
    try:
        network: nn.Module = unet(input_channels=n_inputs, num_classes=n_outputs, **arguments)
    except (
        *(TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError, RuntimeError),
        *(NotImplementedError, ArithmeticError),
    ) as error:
        raise NetworkError(
            f"plans, configuration {configuration}: {name} cannot be built so: {str(error)[:500]}"
        ) from error
    return network


def check_arguments(arguments: Mapping[str, Any], name: str) -> None:
    """Refuse a network that would fill the memory before anybody sees that its weights are not there.

    Args:
        arguments: Arguments of the network's class, as plans name them.
        name: The class, for messages.

    Raises:
        NetworkError: Names the argument.
    """
    for key, value in arguments.items():
        numbers, lengths = [], []
        left = [value]
        while left:
            item = left.pop()
            if isinstance(item, list | tuple | dict):
                lengths.append(len(item))
                left += item.values() if isinstance(item, dict) else item
            elif isinstance(item, int):
                numbers.append(abs(item))
        most = DEEPEST if key in COUNTS_OF_LAYERS else LARGEST
        if max(numbers, default=0) > most or max(lengths, default=0) > DEEPEST:
            raise NetworkError(
                f"{name[:200]}: {key[:80]!r} must be of numbers up to {most}, at most {DEEPEST} of them; "
                f"got {str(value)[:80]}"
            )
        if key in SIZES and not _is_of_sizes(value):
            raise NetworkError(f"{name[:200]}: {key!r} must be of whole numbers from 1 on; got {str(value)[:80]}")


def _is_of_sizes(value: object) -> bool:
    """Whether a value is a whole number from 1 on, or a list of such or of such lists."""
    if isinstance(value, list | tuple):
        return all(_is_of_sizes(one) for one in value)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def configuration_of(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration of the plans, with what it inherits from others.

    Raises:
        NetworkError: When there is no such configuration, or it inherits from itself.
    """
    held = plans.get("configurations")
    chain: list[dict[str, Any]] = []
    seen: list[str] = []
    following: object = name
    while following is not None:
        known = held if isinstance(held, dict) else {}
        if not isinstance(following, str) or not isinstance(known.get(following), dict):
            raise NetworkError(f"plans hold the configurations {sorted(known)[:20]}, not {str(following)[:80]!r}")
        if following in seen:
            raise NetworkError(f"a configuration cannot inherit from itself: {' -> '.join([*seen, following])[:500]}")
        seen.append(following)
        chain.append(known[following])
        following = known[following].get("inherits_from")
    merged: dict[str, Any] = {}
    for layer in reversed(chain):
        merged |= layer
    return merged


def _architecture(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a configuration that describes its network."""
    given = configuration.get("architecture")
    if given is None and "UNet_class_name" in configuration:
        return _older_architecture(configuration)
    if not isinstance(given, dict) or not isinstance(given.get("arch_kwargs"), dict):
        raise NetworkError('plans: a configuration needs an "architecture" with "network_class_name" and "arch_kwargs"')
    needed = {"network_class_name", "_kw_requires_import"} - given.keys()
    if needed:
        raise NetworkError(f'plans: the "architecture" lacks {sorted(needed)}')
    return given


def _older_architecture(old: Mapping[str, Any]) -> dict[str, Any]:
    """The same for plans of nnU-Net before 2.4, which imply instance norm and leaky ReLU."""
    try:
        name, widths = (
            str(old["UNet_class_name"]),
            (old["UNet_base_num_features"], old["unet_max_num_features"]),
        )
        convolutions, dimension = list(old["n_conv_per_stage_encoder"]), len(old["patch_size"])
        shared = {
            "kernel_sizes": old["conv_kernel_sizes"],
            "strides": old["pool_op_kernel_sizes"],
            "n_conv_per_stage_decoder": old["n_conv_per_stage_decoder"],
        }
        features = [min(widths[0] * 2**stage, widths[1]) for stage in range(len(convolutions[: DEEPEST + 1]))]
    except KeyError as error:
        raise NetworkError(f"plans of nnU-Net's older form: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise NetworkError(f"plans of nnU-Net's older form have another kind of value: {error}") from error
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "_kw_requires_import": ["conv_op", "norm_op", "nonlin"],
        "arch_kwargs": shared
        | {
            "n_stages": len(convolutions),
            "features_per_stage": features,
            "n_conv_per_stage" if name == "PlainConvUNet" else "n_blocks_per_stage": convolutions,
            "conv_op": f"torch.nn.Conv{dimension}d",
            "conv_bias": True,
            "norm_op": f"torch.nn.InstanceNorm{dimension}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
    }


def _names(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise NetworkError(f'plans: "_kw_requires_import" must be a list of names; got {str(value)[:80]}')
    return value


def _part(name: str) -> type[Any]:
    """A layer's class by its full name in the plans."""
    package = "dynamic_network_architectures." if name.startswith("dynamic") else "torch.nn."
    return _listed(name, package, PARTS)


def _listed(name: str, package: str, known: Mapping[str, type[Any]]) -> type[Any]:
    """The class of a full name, which must stand in the list `known` and claim to come from `package`."""
    found = known.get(name.rpartition(".")[2])
    if found is None or not name.startswith(package):
        raise NetworkError(f"plans may name {sorted(known)} of {package.rstrip('.')}; they name {name[:200]!r}")
    return found
