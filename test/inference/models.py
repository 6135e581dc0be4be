# SPDX-License-Identifier: Apache-2.0
"""Small models for the tests of weights and networks, and checkpoints as nnU-Net's trainers write them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.inference.architectures import network_from_plans
from petlesion.inference.manifest import ModelEntry
from test.nnunet_reference import toy_dataset, toy_plans

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = ModelEntry(
    system="mesbah",
    role="fdg",
    architecture="nnunet",
    channels=("ct", "pet", "clicks"),
    licence="CC0-1.0",
    source="a test",
    training_data="none",
    synthetic=True,
    configuration="3d_fullres",
)
TRACER = replace(ENTRY, role="tracer", architecture="mip_cnn", channels=("pet",), configuration="")


def toy_network(seed: int = 0, plans: dict[str, Any] | None = None, n_outputs: int = 2) -> torch.nn.Module:
    """A U-Net of two stages with 4 and 8 features, and seeded weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network_from_plans(plans or toy_plans(), "3d_fullres", 3, n_outputs).eval()


def checkpoint(state: dict[str, Any], trainer: str = "nnUNetTrainer_organs_FDG", **changes: object) -> dict[str, Any]:
    """What nnU-Net 2.8.1's `save_checkpoint` stores, numpy scalars included."""
    return {
        "network_weights": state,
        "optimizer_state": {
            "state": {0: {"momentum_buffer": torch.ones(3)}},
            "param_groups": [{"lr": np.float64(1e-3)}],
        },
        "grad_scaler_state": {"scale": 65536.0, "_growth_tracker": 7},
        "logging": {
            "mean_fg_dice": [np.float64(0.5), np.float32(0.6)],
            "dice_per_class_or_region": [[np.float32(0.5)]],
            "train_losses": [np.float32(-0.1)],
            "epoch_start_timestamps": [1.7e9],
        },
        "_best_ema": np.float64(0.61),
        "current_epoch": 1500,
        "init_args": {
            "plans": toy_plans(),
            "configuration": "3d_fullres",
            "fold": 0,
            "dataset_json": toy_dataset(),
            "device": torch.device("cuda"),
        },
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": (0, 1, 2),
    } | changes


def with_organ_head(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights with mesbah's auxiliary head of 14 + 1 classes."""
    head = {
        "decoder.organ_seg_layers.0.weight": torch.ones(15, 4, 1, 1, 1),
        "decoder.organ_seg_layers.0.bias": torch.ones(15),
    }
    return state | head


def write_folder(folder: Path, checkpoints: dict[str, dict[str, Any]], plans: dict[str, Any] | None = None) -> Path:
    """A model folder of nnU-Net; checkpoints under names such as "fold_0/checkpoint_final.pth"."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans or toy_plans()))
    (folder / "dataset.json").write_text(json.dumps(toy_dataset()))
    for name, content in checkpoints.items():
        (folder / name).parent.mkdir(exist_ok=True)
        torch.save(content, folder / name)
    return folder
