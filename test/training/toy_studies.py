# SPDX-License-Identifier: Apache-2.0
"""Studies of a few thousand voxels, with a hot ball for a lesion, and trainings of small networks on them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from petlesion.recipes import AHAMED, SAFDARI
from petlesion.training.layouts import find_studies
from petlesion.training.monai_dataset import prepare_monai_dataset
from petlesion.training.monai_fold import MonaiFold
from test.inference.toy_monai import toy_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.recipe import Recipe
    from petlesion.training.monai_dataset import MonaiDataset

SHAPE_ZYX, SPACING_MM = (24, 20, 28), (8.0, 8.0, 10.0)
CENTRES = {  # one patient has two studies, one is healthy
    "fdg_ann_1": (12, 10, 8),
    "fdg_ann_2": (6, 9, 14),
    "fdg_bob_1": (16, 8, 20),
    "psma_cid_1": (9, 12, 12),
    "psma_dot_1": None,
}
N_FOLDS = 2
SEGRESNET = {"init_filters": 4, "blocks_down": (1, 1, 1), "blocks_up": (1, 1), "dsdepth": 2}  # two outputs in training


def ball(centre_zyx: tuple[int, int, int] | None) -> np.ndarray:
    """A ball of 33 voxels; nothing in a healthy study."""
    z, y, x = np.indices(SHAPE_ZYX)
    if centre_zyx is None:
        return np.zeros(SHAPE_ZYX, bool)
    a, b, c = centre_zyx
    return (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= 4


def write_studies(folder: Path) -> Path:
    """The studies in nnU-Net's layout."""
    for number, (name, centre) in enumerate(CENTRES.items()):
        lesion, rng = ball(centre), np.random.default_rng(number)
        body = np.zeros(SHAPE_ZYX, bool)
        body[2:-2, 3:-3, 3:-3] = True
        ct = np.where(body, 40.0, -1000.0) + rng.normal(0, 10, SHAPE_ZYX)
        pet = np.where(lesion, 12.0, np.where(body, 1.0, 0.0)) + rng.uniform(0, 0.2, SHAPE_ZYX)
        files = {f"imagesTr/{name}_0000": ct, f"imagesTr/{name}_0001": pet, f"labelsTr/{name}": lesion}
        for path, array in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            image = sitk.GetImageFromArray(array.astype(np.float32 if array.dtype != bool else np.uint8))
            image.SetSpacing(SPACING_MM)
            sitk.WriteImage(image, str(folder / f"{path}.mha"))
    return folder


def toy_training(recipe: Recipe, **changes: object) -> Recipe:
    """A recipe of small networks, trained for two epochs on patches as small as their windows."""

    def changed(member):
        if member.network.name == "SegResNetDS":
            member = replace(member, network=replace(member.network, arguments=SEGRESNET))
        training = replace(member.training, epochs=2, patch_xyz=None, batch_size=2, validate_every=1)
        return replace(member, training=replace(training, **changes))

    small = toy_recipe(recipe, spacing_mm=9.0)
    stages = (replace(stage, members=tuple(map(changed, stage.members))) for stage in small.stages)
    return replace(small, stages=tuple(stages))


TOY_AHAMED, TOY_SAFDARI = toy_training(AHAMED), toy_training(SAFDARI, lesion_share=1.0, validate_every=2)


def toy_dataset(studies: Path, out: Path, recipe: Recipe) -> MonaiDataset:
    return prepare_monai_dataset(find_studies(studies), out, recipe, n_folds=N_FOLDS)


def toy_fold(dataset: MonaiDataset, out: Path, recipe: Recipe, role: str, fold: int = 0) -> MonaiFold:
    return MonaiFold(recipe, role, fold, dataset, out, iterations=2, save_every=1)
