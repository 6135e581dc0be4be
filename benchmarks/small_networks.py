# SPDX-License-Identifier: Apache-2.0
"""Small networks for timing, whose masks follow the PET: as a folder of nnU-Net and as a store, of the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from petlesion.inference.networks import network_from_plans
from petlesion.inference.published import import_nnunet_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petlesion.volume import Index, Triple

PLANS = Path(__file__).resolve().parents[1] / "resources" / "plans_resencl.json"
CONFIGURATION = "3d_fullres"
FEATURES = (8, 16, 32, 32)
PATIENT_SPACING_MM = (3.0, 2.03642, 2.03642)
CENTRE = (1, 1, 1)
State = Callable[[dict[str, Any], int], dict[str, torch.Tensor]]
DATASET = {
    "channel_names": {"0": "CT", "1": "PET", "2": "clicks"},
    "labels": {"background": 0, "tumor": 1},
    "numTraining": 1,
    "file_ending": ".mha",
}


def full_plans(patch: Index, spacing_zyx_mm: Triple = PATIENT_SPACING_MM) -> dict[str, Any]:
    """The plans of the published networks, with this patch."""
    plans: dict[str, Any] = json.loads(PLANS.read_text(encoding="utf-8"))
    plans["configurations"][CONFIGURATION] |= {"patch_size": list(patch), "spacing": list(spacing_zyx_mm)}
    return plans


def random_state(plans: dict[str, Any], seed: int) -> dict[str, torch.Tensor]:
    """nnU-Net's own random weights, as fp16 keeps them: for timing, as the mask means nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = network_from_plans(plans, CONFIGURATION, 3, 2)
        state: dict[str, torch.Tensor] = network.apply(network.initialize).state_dict()
    return {key: tensor.half().float() for key, tensor in state.items()}


def small_plans(patch: Index, spacing_zyx_mm: Triple = PATIENT_SPACING_MM) -> dict[str, Any]:
    """The full-size plans with a network of four stages, 8 to 32 features, and this patch."""
    plans, n = full_plans(patch, spacing_zyx_mm), len(FEATURES)
    plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"] |= {
        "n_stages": n,
        "features_per_stage": list(FEATURES),
        "kernel_sizes": [[3, 3, 3]] * n,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (n - 1),
        "n_blocks_per_stage": [1] * n,
        "n_conv_per_stage_decoder": [1] * (n - 1),
    }
    return plans


def following_state(plans: dict[str, Any], seed: int) -> dict[str, torch.Tensor]:
    """Random weights with a path from the PET to the head that outweighs them: the mask is decided, not noise.

    The two rows of the head are each other's negative, and all numbers are those of fp16, in which stores keep them.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = network_from_plans(plans, CONFIGURATION, 3, 2).state_dict()
    last = len(FEATURES) - 2
    stem, decode = "encoder.stem.convs.0.conv.weight", f"decoder.stages.{last}.convs.0.conv.weight"
    for key in (stem, decode):
        state[key] *= 0.1
    state["encoder.stages.0.blocks.0.conv2.norm.weight"][0] = 0.1  # the block leaves its input nearly as it is
    state[stem][0, 1, *CENTRE] = 1.0
    state[decode][0, FEATURES[0], *CENTRE] = 1.0  # the skip's first channel comes after those that were upsampled
    noise = torch.randn(FEATURES[0] - 1, generator=torch.Generator().manual_seed(seed)) * 0.1
    head = torch.cat([torch.tensor([4.0]), noise])
    state[f"decoder.seg_layers.{last}.weight"][:, :, 0, 0, 0] = torch.stack([-head, head])
    state[f"decoder.seg_layers.{last}.bias"][:] = torch.tensor([8.0, -8.0])
    return {key: tensor.half().float() for key, tensor in state.items()}


def write_both(
    work: Path, plans: dict[str, Any], folds: Sequence[int], roles: Sequence[str], state: State = following_state
) -> tuple[Path, Path]:
    """The folder that stock nnU-Net reads, and the store that petlesion reads, under `work`; `state` draws a fold."""
    folder, store = work / "nnunet", work / "store"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(DATASET), encoding="utf-8")
    for fold in folds:
        checkpoint = {
            "network_weights": state(plans, fold),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": CONFIGURATION},
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    for role in roles:
        import_nnunet_folder(
            folder,
            recipe_name="mesbah",
            role=role,
            out=store,
            licence="none: random weights",
            source="benchmarks",
            channels=("ct", "pet", "clicks"),
            synthetic=True,
        )
    return folder, store
