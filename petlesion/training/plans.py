# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's plans.json and dataset.json for networks of any size, as stock nnU-Net 2.x reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.schedule import NetworkSize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from petlesion.volume import Index, Triple

CONFIGURATION = "3d_fullres"
CHANNELS = ("ct", "pet", "clicks")
NAMES = {"ct": "CT", "pet": "PET"}  # nnU-Net's, of channels that are normalised; it calls the others noNorm
LABELS = {"background": 0, "lesion": 1}
RESAMPLE = "resample_data_or_seg_to_shape"
SMALL_PLANS = "petlesionSmallPlans"
CT_CUT_HU = (-832.0627, 1127.7585)
"""Where the plans of the public FDG studies cut the CT: lesions of few phantoms may leave lungs looking like fat."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SmallNetwork:
    """A small ResEnc U-Net and the grid that it sees.

    Attributes:
        features: Channels of each stage, from the full resolution downwards; each stage halves the one before.
        blocks: Residual blocks of each stage.
        patch_zyx: Patch in voxels, the same in training and inference: instance norm depends on it.
        spacing_mm: Isotropic spacing of the network's grid.
        batch_size: Patches of a training step.
    """

    features: tuple[int, ...] = (8, 16, 32, 64, 64)
    blocks: tuple[int, ...] = (1, 1, 2, 2, 2)
    patch_zyx: Index = (48, 48, 48)
    spacing_mm: float = 4.0
    batch_size: int = 2

    @property
    def size(self) -> NetworkSize:
        """The same without the batch."""
        return NetworkSize(self.features, self.blocks, self.patch_zyx, (self.spacing_mm,) * 3)


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """What plans say about their data set.

    Attributes:
        name: nnU-Net's name of the data set.
        intensities: Statistics of each channel over lesion voxels, as `intensity_properties` gives them.
        median_spacing_zyx_mm: Median spacing of the studies in mm.
        median_shape_zyx: Median shape of the studies in voxels of the network's grid.
        normalization: nnU-Net's scheme for each channel, as `normalization_schemes` gives it.
    """

    name: str
    intensities: Sequence[Mapping[str, float]]
    median_spacing_zyx_mm: Triple
    median_shape_zyx: Triple
    normalization: tuple[str, ...] = ("CTNormalization", "CTNormalization", "NoNormalization")


def plans_json(network: SmallNetwork, lesion_values: Sequence[NDArray[np.float32]], name: str) -> Json:
    """The plans of a small network.

    Args:
        network: Its size and grid.
        lesion_values: CT in HU and PET in SUV, each of the voxels inside lesions of the training set, (N,). The CT is
            cut at `CT_CUT_HU` at the closest.
        name: Name of the data set.
    """
    values = (*lesion_values, np.zeros(1, np.float32))
    spacing = network.size.spacing_zyx_mm
    intensities = [intensity_properties(v) for v in values]
    intensities[0] = _cut_no_closer(intensities[0], CT_CUT_HU)
    data = DataStatistics(name, intensities, spacing, (245.0, 100.0, 120.0))
    return plans_document(network.size, data, SMALL_PLANS, network.batch_size)


def plans_document(network: NetworkSize, data: DataStatistics, plans_name: str, batch_size: int) -> Json:
    """The plans of a network of any size.

    Args:
        network: Its size and grid.
        data: What is known of the data set.
        plans_name: nnU-Net's name of the plans; prepared cases lie in a folder of this name.
        batch_size: Patches of a step.
    """
    configuration = {
        "data_identifier": f"{plans_name}_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": batch_size,
        "patch_size": list(network.patch_zyx),
        "median_image_size_in_voxels": list(data.median_shape_zyx),
        "spacing": list(network.spacing_zyx_mm),
        "normalization_schemes": list(data.normalization),
        "use_mask_for_norm": [False] * len(data.normalization),
        **_resampling(),
        "architecture": _architecture(network),
        "batch_dice": True,
    }
    return {
        "dataset_name": data.name,
        "plans_name": plans_name,
        "original_median_spacing_after_transp": list(data.median_spacing_zyx_mm),
        "original_median_shape_after_transp": [round(n) for n in data.median_shape_zyx],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: configuration},
        "experiment_planner_used": "petlesion",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(i): dict(p) for i, p in enumerate(data.intensities)},
    }


def network_plans(network: NetworkSize) -> Json:
    """Plans that describe the network alone, for a look at it without data."""
    return {"configurations": {CONFIGURATION: {"architecture": _architecture(network)}}}


def normalization_schemes(channels: Sequence[str], z_scored: Sequence[str] = ()) -> tuple[str, ...]:
    """nnU-Net's scheme for each of a recipe's channels; maps of clicks, in [-1, 1], stay as they are."""
    own = dict.fromkeys(z_scored, "ZScoreNormalization")
    return tuple(own.get(name, "CTNormalization") if name in NAMES else "NoNormalization" for name in channels)


def dataset_json(n_training: int, channels: Sequence[str] = CHANNELS) -> Json:
    """The data-set description, of as many cases and of a recipe's channels."""
    return {
        "channel_names": {str(i): NAMES.get(name, "noNorm") for i, name in enumerate(channels)},
        "labels": dict(LABELS),
        "numTraining": n_training,
        "file_ending": ".mha",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }


def intensity_properties(values: NDArray[np.float32]) -> dict[str, float]:
    """nnU-Net's statistics of a channel over foreground voxels (N,), in the channel's unit."""
    low, median, high = np.percentile(values, [0.5, 50.0, 99.5])
    numbers = {
        "max": values.max(),
        "mean": values.mean(dtype=np.float64),
        "median": median,
        "min": values.min(),
        "percentile_00_5": low,
        "percentile_99_5": high,
        "std": values.std(dtype=np.float64),
    }
    return {key: round(float(number), 6) for key, number in numbers.items()}


def _cut_no_closer(properties: Mapping[str, float], cut: tuple[float, float]) -> dict[str, float]:
    """The same statistics, where the two percentiles at which the channel is cut leave at least the range `cut`."""
    low, high = min(properties["percentile_00_5"], cut[0]), max(properties["percentile_99_5"], cut[1])
    return {**properties, "percentile_00_5": low, "percentile_99_5": high}


def _resampling() -> Json:
    """nnU-Net's own: cubic for images, linear for masks and logits, slices apart where they are thick."""
    resampling: Json = {}
    for what, order, is_seg in (("data", 3, False), ("seg", 1, True), ("probabilities", 1, False)):
        resampling[f"resampling_fn_{what}"] = RESAMPLE
        kwargs = {"is_seg": is_seg, "order": order, "order_z": 0, "force_separate_z": None}
        resampling[f"resampling_fn_{what}_kwargs"] = kwargs
    return resampling


def _architecture(network: NetworkSize) -> Json:
    """A residual-encoder U-Net with one convolution a stage in its decoder, or a plain one, the same on both sides."""
    stages = len(network.features)
    name = "ResidualEncoderUNet" if network.residual else "PlainConvUNet"
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(network.features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
            "n_blocks_per_stage" if network.residual else "n_conv_per_stage": list(network.blocks),
            "n_conv_per_stage_decoder": [1] * (stages - 1) if network.residual else list(network.blocks[:-1]),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
