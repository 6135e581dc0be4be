# SPDX-License-Identifier: Apache-2.0
"""Stock nnU-Net 2.8.1 as a reference, and toy models in its own folder form.

Only tests import nnunetv2. It reads its folders from the environment, prints, and warns about what does not concern
us, so it is imported and called inside `quiet`.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch

from petlesion.inference.architectures import network_from_plans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

SPACING_MM = (3.0, 2.0364201068878174, 2.0364201068878174)
CT, PET = (
    {"mean": 107.73, "std": 286.34, "percentile_00_5": -832.06, "percentile_99_5": 1127.76},
    {"mean": 7.0638, "std": 7.9604, "percentile_00_5": 1.0433, "percentile_99_5": 51.2112},
)
RESAMPLING = "resample_data_or_seg_to_shape"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing printed, nothing warned, the environment that nnunetv2 asks for."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
            patch.setenv(name, "unused")
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield


def toy_dataset(names: tuple[str, ...] = ("CT", "PET", "clicks")) -> dict[str, Any]:
    """A `dataset.json`."""
    return {
        "channel_names": {str(i): name for i, name in enumerate(names)},
        "labels": {"background": 0, "tumor": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }


def toy_plans(
    patch: tuple[int, int, int] = (48, 64, 64),
    spacing_mm: tuple[float, float, float] = SPACING_MM,
    forward: tuple[int, int, int] = (0, 1, 2),
    schemes: tuple[str, ...] = ("CTNormalization", "CTNormalization", "NoNormalization"),
    masks: tuple[bool, ...] = (False, False, False),
) -> dict[str, Any]:
    """A `plans.json` with a residual encoder U-Net of two stages."""
    kwargs = {"is_seg": False, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "toy_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": [300.0, 400.0, 400.0],
        "spacing": list(spacing_mm),
        "normalization_schemes": list(schemes),
        "use_mask_for_norm": list(masks),
        "resampling_fn_data": RESAMPLING,
        "resampling_fn_data_kwargs": {**kwargs, "order": 3},
        "resampling_fn_seg": RESAMPLING,
        "resampling_fn_seg_kwargs": {**kwargs, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": RESAMPLING,
        "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
            "arch_kwargs": {
                "n_stages": 2,
                "features_per_stage": [4, 8],
                "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
                "strides": [[1, 1, 1], [2, 2, 2]],
                "n_blocks_per_stage": [1, 1],
                "n_conv_per_stage_decoder": [1],
                "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    return {
        "dataset_name": "Dataset999_Toy",
        "plans_name": "toy",
        "original_median_spacing_after_transp": list(spacing_mm),
        "original_median_shape_after_transp": [300, 400, 400],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": list(forward),
        "transpose_backward": [forward.index(axis) for axis in range(3)],
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": CT, "1": PET, "2": PET},
    }


def toy_state(plans: dict[str, Any], seed: int, n_channels: int = 3) -> dict[str, torch.Tensor]:
    """Weights whose mask follows the PET: random, but for a path from the PET channel to the head that outweighs all.

    Stock nnU-Net adds its tiles in half precision, so masks can only be compared where logits are decided. The two
    rows of the head are each other's negative, so that rounding moves both classes alike.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = network_from_plans(plans, "3d_fullres", n_channels, 2).state_dict()
    centre = (1, 1, 1)
    stem, decode = "encoder.stem.convs.0.conv.weight", "decoder.stages.0.convs.0.conv.weight"
    for key in (stem, decode):
        state[key] *= 0.1
    state["encoder.stages.0.blocks.0.conv2.norm.weight"][0] = 0.1  # the block leaves its input nearly as it is
    state[stem][0, 1, *centre] = 1.0
    state[decode][0, 4, *centre] = 1.0  # the skip's first channel comes after the four that were upsampled
    head = torch.cat([torch.tensor([4.0]), torch.randn(3, generator=torch.Generator().manual_seed(seed)) * 0.1])
    state["decoder.seg_layers.0.weight"][:, :, 0, 0, 0] = torch.stack([-head, head])
    state["decoder.seg_layers.0.bias"][:] = torch.tensor([8.0, -8.0])
    return state


def write_model(folder: Path, plans: dict[str, Any], states: dict[int, dict[str, torch.Tensor]]) -> Path:
    """A trained model's folder as nnU-Net writes it, mirrored along all axes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(toy_dataset()))
    for fold, state in states.items():
        checkpoint = {
            "network_weights": state,
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": "3d_fullres"},
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


@dataclass(frozen=True)
class Stock:
    """`nnUNetPredictor` on the CPU over a model's folder."""

    predictor: Any

    @classmethod
    def load(cls, folder: Path, folds: tuple[int, ...], *, tile_step: float, axes: tuple[int, ...]) -> Stock:
        with quiet():
            from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415

            predictor = nnUNetPredictor(
                tile_step_size=tile_step,
                use_mirroring=bool(axes),
                device=torch.device("cpu"),
                allow_tqdm=False,
            )
            predictor.initialize_from_trained_model_folder(str(folder), folds)
        predictor.allowed_mirroring_axes = axes
        return cls(predictor)

    def mask(
        self, image_czyx: np.ndarray, spacing_zyx_mm: tuple[float, float, float], *, in_fp32: bool = False
    ) -> np.ndarray:
        """Its mask on the image's grid; with `in_fp32` its sums of tiles are not rounded to half precision."""
        with quiet(), pytest.MonkeyPatch.context() as patch:
            if in_fp32:
                patch.setattr(torch, "half", torch.float32)
            return self.predictor.predict_single_npy_array(image_czyx, {"spacing": list(spacing_zyx_mm)})


def stock_prepared(
    image_czyx: np.ndarray, spacing_zyx_mm: tuple[float, float, float], plans: dict[str, Any]
) -> np.ndarray:
    """The network's input as nnU-Net's own preprocessor makes it."""
    return _preprocessed(image_czyx, spacing_zyx_mm, plans)[0]


def stock_restored(
    logits_czyx: np.ndarray,
    image_czyx: np.ndarray,
    spacing_zyx_mm: tuple[float, float, float],
    plans: dict[str, Any],
) -> np.ndarray:
    """The mask on the image's grid that nnU-Net's own export makes of the logits of its classes."""
    _, properties, manager, configuration = _preprocessed(image_czyx, spacing_zyx_mm, plans)
    with quiet():
        from nnunetv2.inference import export_prediction  # noqa: PLC0415

        return export_prediction.convert_predicted_logits_to_segmentation_with_correct_shape(
            logits_czyx,
            manager,
            configuration,
            manager.get_label_manager(toy_dataset()),
            properties,
            num_threads_torch=torch.get_num_threads(),
        )


def _preprocessed(
    image_czyx: np.ndarray, spacing_zyx_mm: tuple[float, float, float], plans: dict[str, Any]
) -> tuple[np.ndarray, dict[str, Any], Any, Any]:
    with quiet():
        from nnunetv2.preprocessing.preprocessors import default_preprocessor  # noqa: PLC0415
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager  # noqa: PLC0415

        manager = PlansManager(plans)
        configuration = manager.get_configuration("3d_fullres")
        array, _, properties = default_preprocessor.DefaultPreprocessor(verbose=False).run_case_npy(
            image_czyx, None, {"spacing": list(spacing_zyx_mm)}, manager, configuration, toy_dataset()
        )
    return array, properties, manager, configuration
