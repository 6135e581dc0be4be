# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's `plans.json` and `dataset.json`: the part of them that inference needs, checked when it is read.

Whatever this package would compute differently from nnU-Net 2.x (regions, cascades, other resampling) is
refused here, by the name of its key, and not found out from a wrong mask. The architecture is read elsewhere,
by `networks`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petlesion.inference.architectures import NetworkError, configuration_of
from petlesion.inference.manifest import WeightsError
from petlesion.inference.normalize import Intensity, Normalization, Scheme
from petlesion.inference.resample import ResamplingRule

if TYPE_CHECKING:
    from petlesion.volume import Index, Triple

RESAMPLING_FUNCTION = "resample_data_or_seg_to_shape"
PREPROCESSOR = "DefaultPreprocessor"
LABEL_MANAGER = "LabelManager"
HIGHEST_SPLINE_ORDER = 5
LARGEST_PATCH = 1024  # voxels along an axis; nnU-Net's largest have some 300


class PlansError(WeightsError):
    """Plans that cannot be followed exactly. The text names the key and says what is supported."""


@dataclass(frozen=True, slots=True)
class NnunetPlans:
    """One 3-D configuration of nnU-Net's plans, as inference needs it. Make it with `NnunetPlans.parse`.

    The network's axes are the image's (z, y, x) in the order `transpose_forward`; patch and spacing are in
    the NETWORK's order, which is (z, y, x) where nothing is transposed.

    Attributes:
        patch_zyx: Size of a tile in voxels, network order.
        spacing_zyx_mm: Spacing of the network's grid in mm, network order.
        transpose_forward: Network axis i is image axis `transpose_forward[i]`.
        transpose_backward: Its inverse.
        normalizations: One for each input channel, in order.
        image_resampling: How the input channels come to `spacing_zyx_mm`.
        logit_resampling: How the network's output comes back.
        channel_names: The data set's names of the input channels.
        labels: Names of the classes with their numbers, background (0) first.
    """

    patch_zyx: Index
    spacing_zyx_mm: Triple
    transpose_forward: Index
    transpose_backward: Index
    normalizations: tuple[Normalization, ...]
    image_resampling: ResamplingRule
    logit_resampling: ResamplingRule
    channel_names: tuple[str, ...]
    labels: tuple[tuple[str, int], ...]

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return len(self.normalizations)

    @property
    def n_classes(self) -> int:
        """Number of output classes, background included."""
        return len(self.labels)

    @classmethod
    def parse(
        cls, plans: Mapping[str, Any], dataset: Mapping[str, Any], configuration: str = "3d_fullres"
    ) -> NnunetPlans:
        """Read one configuration of nnU-Net's plans.

        Args:
            plans: `plans.json` of nnU-Net 2.x.
            dataset: `dataset.json` of the same model.
            configuration: Name of the configuration; `inherits_from` is followed.

        Returns:
            The plans, checked.

        Raises:
            PlansError: When a key is missing, of a wrong kind, or asks for what is not supported: a 2-D or
                cascaded configuration, regions, another preprocessor, resampling or normalisation.
        """
        config = _configuration(plans, configuration)
        _refuse_unsupported(plans, config)
        forward, backward = _transposes(plans)
        channels = _channel_names(dataset)
        return cls(
            patch_zyx=_patch(config),
            spacing_zyx_mm=_spacing(config),
            transpose_forward=forward,
            transpose_backward=backward,
            normalizations=_normalizations(plans, config, len(channels)),
            image_resampling=_resampling(config, "resampling_fn_data"),
            logit_resampling=_resampling(config, "resampling_fn_probabilities"),
            channel_names=channels,
            labels=_labels(dataset),
        )


def _need(mapping: Mapping[str, Any], key: str, where: str) -> Any:  # noqa: ANN401 - JSON
    """The value of `key`, or a sentence that says what is not there."""
    if key not in mapping:
        raise PlansError(f"{where} must have the key {key!r}; it has {sorted(mapping)}")
    return mapping[key]


def _mapping(value: object, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PlansError(f"{key!r} must be a mapping; got {value!r}")
    return value


def _list(value: object, key: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise PlansError(f"{key!r} must be a list; got {value!r}")
    return value


def _configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The configuration `name`, over those that it inherits from."""
    try:
        return configuration_of(plans, name)
    except NetworkError as error:
        raise PlansError(str(error)) from error


def _refuse_unsupported(plans: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse what would be followed only in appearance."""
    if config.get("previous_stage"):
        raise PlansError(
            f"'previous_stage' is {config['previous_stage']!r}: nnU-Net's cascades are not supported; "
            "use the full-resolution configuration"
        )
    for mapping, key, supported in (
        (config, "preprocessor_name", PREPROCESSOR),
        (plans, "label_manager", LABEL_MANAGER),
    ):
        if mapping.get(key, supported) != supported:
            raise PlansError(f"{key!r} is {mapping[key]!r}; only {supported!r} is supported")


def _numbers(value: object, key: str, count: int = 3) -> tuple[float, ...]:
    """`count` finite numbers."""
    numbers = _list(value, key)
    if len(numbers) != count:
        raise PlansError(f"{key!r} must be {count} numbers (3-D configurations only); got {value!r}")
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers):
        raise PlansError(f"{key!r} must be {count} finite numbers; got {value!r}")
    return tuple(float(v) for v in numbers)


def _patch(config: Mapping[str, Any]) -> Index:
    z, y, x = _numbers(_need(config, "patch_size", "the configuration"), "patch_size")
    if any(not 1 <= v <= LARGEST_PATCH or not v.is_integer() for v in (z, y, x)):
        raise PlansError(f"'patch_size' must be whole voxels, 1 to {LARGEST_PATCH}; got {[z, y, x]}")
    return (int(z), int(y), int(x))


def _spacing(config: Mapping[str, Any]) -> Triple:
    z, y, x = _numbers(_need(config, "spacing", "the configuration"), "spacing")
    if min(z, y, x) <= 0:
        raise PlansError(f"'spacing' must be positive, in mm; got {[z, y, x]}")
    return (z, y, x)


def _transposes(plans: Mapping[str, Any]) -> tuple[Index, Index]:
    """`transpose_forward` and its inverse, which must be the `transpose_backward` of the plans."""
    forward = _numbers(_need(plans, "transpose_forward", "plans.json"), "transpose_forward")
    backward = _numbers(_need(plans, "transpose_backward", "plans.json"), "transpose_backward")
    if sorted(forward) != [0, 1, 2]:
        raise PlansError(f"'transpose_forward' must be an order of 0, 1, 2; got {list(forward)}")
    if backward != tuple(float(forward.index(axis)) for axis in range(3)):
        raise PlansError(f"'transpose_backward' must undo {list(forward)}; got {list(backward)}")
    f, b = [int(i) for i in forward], [int(i) for i in backward]
    return (f[0], f[1], f[2]), (b[0], b[1], b[2])


def _channel_names(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels' names in order; data sets of nnU-Net 1 call the key 'modality'."""
    key = "modality" if "modality" in dataset else "channel_names"
    names = _mapping(_need(dataset, key, "dataset.json"), key)
    if not names or set(names) != {str(i) for i in range(len(names))}:
        raise PlansError(f"{key!r} must name the channels '0', '1', ...; got {names!r}")
    return tuple(str(names[str(i)]) for i in range(len(names)))


def _labels(dataset: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Names and numbers of the classes, in order of number; nnU-Net's 'ignore' is no class."""
    labels = _mapping(_need(dataset, "labels", "dataset.json"), "labels")
    classes = ((str(name), _label(name, value)) for name, value in labels.items() if name != "ignore")
    found = sorted(classes, key=lambda pair: pair[1])
    if not found or found[0][0] != "background" or [number for _, number in found] != list(range(len(found))):
        raise PlansError(f"'labels' must number the classes 0 (background), 1, 2, ...; got {dict(labels)!r}")
    return tuple(found)


def _label(name: str, value: object) -> int:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | tuple):
        raise PlansError(f"'labels' has the region {name!r}: {value!r}; regions are not supported")
    if isinstance(value, bool) or not isinstance(value, int):
        raise PlansError(f"'labels' must map names to whole numbers; {name!r} is {value!r}")
    return value


def _resampling(config: Mapping[str, Any], key: str) -> ResamplingRule:
    """The rule of one of nnU-Net's resampling functions, which must be its default one."""
    function = _need(config, key, "the configuration")
    if function != RESAMPLING_FUNCTION:
        raise PlansError(f"{key!r} is {function!r}; only {RESAMPLING_FUNCTION!r} is supported")
    kwargs = dict(_mapping(_need(config, f"{key}_kwargs", "the configuration"), f"{key}_kwargs"))
    order = kwargs.pop("order", 3)
    separate = kwargs.pop("force_separate_z", False)  # the function's own default, which plans.json overrules
    fixed = {"is_seg": kwargs.pop("is_seg", False), "order_z": kwargs.pop("order_z", 0)}
    if kwargs or fixed != {"is_seg": False, "order_z": 0}:
        raise PlansError(f"'{key}_kwargs' supports is_seg=False and order_z=0 only; got {fixed} and {kwargs}")
    if not isinstance(order, int) or isinstance(order, bool) or not 0 <= order <= HIGHEST_SPLINE_ORDER:
        raise PlansError(f"'order' of '{key}_kwargs' must be 0 to {HIGHEST_SPLINE_ORDER}; got {order!r}")
    if separate is not None and not isinstance(separate, bool):
        raise PlansError(f"'force_separate_z' of '{key}_kwargs' must be a boolean or null; got {separate!r}")
    return ResamplingRule(order, separate)


def _normalizations(plans: Mapping[str, Any], config: Mapping[str, Any], n_channels: int) -> tuple[Normalization, ...]:
    """One normalisation for each channel, with its training statistics where it needs them."""
    schemes, masks = (
        _list(_need(config, key, "the configuration"), key) for key in ("normalization_schemes", "use_mask_for_norm")
    )
    if len(schemes) != n_channels or len(masks) != n_channels:
        raise PlansError(
            f"'normalization_schemes' and 'use_mask_for_norm' must have one entry for each of the "
            f"{n_channels} channels of dataset.json; got {list(schemes)} and {list(masks)}"
        )
    return tuple(
        Normalization(_scheme(name), bool(mask), _intensity(plans, channel) if name == Scheme.CT else None)
        for channel, (name, mask) in enumerate(zip(schemes, masks, strict=True))
    )


def _scheme(name: object) -> Scheme:
    supported = [str(scheme) for scheme in Scheme]
    if name not in supported:
        raise PlansError(f"'normalization_schemes' has {name!r}; supported are {supported}")
    return Scheme(str(name))


def _intensity(plans: Mapping[str, Any], channel: int) -> Intensity:
    """The training statistics of a channel; early plans of nnU-Net 2 say 'by_modality'."""
    key = "foreground_intensity_properties_per_channel"
    old = "foreground_intensity_properties_by_modality"
    table = plans[old] if key not in plans and old in plans else _need(plans, key, "plans.json")
    found = _mapping(_need(_mapping(table, key), str(channel), f"{key!r} of plans.json"), key)
    names = ("mean", "std", "percentile_00_5", "percentile_99_5")
    values = [_need(found, name, f"channel {channel} of {key!r}") for name in names]
    return Intensity(*_numbers(values, f"{key}[{channel}]", 4))
