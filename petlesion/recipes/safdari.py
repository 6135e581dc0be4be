# SPDX-License-Identifier: Apache-2.0
"""The autoPET III system of Safdari et al.: a first mask is the third channel of three networks of another kind."""

from __future__ import annotations

from dataclasses import replace

from petlesion.recipe import ChannelScaling, Member, MonaiGrid, MonaiNetwork, Recipe, Stage
from petlesion.schedule import AUTOPET_SPACING_ZYX_MM, MonaiTraining

CT = ChannelScaling(-832.0627, 1127.7585, shift=107.7344, scale=286.3440)
PET = ChannelScaling(1.0433, 51.2112, shift=7.0638, scale=7.9604)
GRID = MonaiGrid("LAS", AUTOPET_SPACING_ZYX_MM[::-1], (CT, PET))
SECOND_GRID = replace(GRID, channels=(CT, PET, ChannelScaling(nearest=True)))

LEVELS = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 1))
DYNUNET = MonaiNetwork(
    name="DynUNet",
    outputs=1,
    patch_xyz=(128, 160, 112),
    arguments={
        "kernel_size": ((3, 3, 3),) * 6,
        "strides": LEVELS,
        "upsample_kernel_size": LEVELS[1:],
        "res_block": True,
        "deep_supervision": True,
        "deep_supr_num": 3,
    },
)
SWIN_UNETR = MonaiNetwork("SwinUNETR", 1, (96, 96, 96), {"feature_size": 48})
SEGRESNET = MonaiNetwork(
    name="SegResNetDS",
    outputs=1,
    patch_xyz=(192, 192, 192),
    arguments={"init_filters": 16, "blocks_down": (1, 2, 2, 4), "blocks_up": (1, 1, 1), "dsdepth": 3},
)
UNET = MonaiNetwork(
    name="UNet",
    outputs=1,
    patch_xyz=(128, 160, 112),
    arguments={
        "channels": (32, 64, 128, 256, 512),
        "strides": (2, 2, 2, 2),
        "num_res_units": 2,
        "norm": "batch",
        "dropout": 0.2,
    },
)

FIRST = MonaiTraining(
    epochs=774,
    batch_size=2,
    optimizer="sgd",
    rate=1e-3,
    decay="polynomial",
    loss="dice_cross_entropy",
    weight_decay=3e-5,
    augmentations=("affine", "intensity"),
    with_healthy=False,
)
SECOND = replace(FIRST, epochs=200, coarse_dropout=0.8)

SAFDARI = Recipe(
    name="safdari",
    title="autoPET III: a DynUNet's mask guides SwinUNETR, SegResNetDS and UNet",
    citation="Safdari et al., AutoPET Challenge III: PET/CT semantic segmentation, 2024, arXiv:2409.13006",
    stages=(
        Stage(
            members=(Member("stage1", network=DYNUNET, training=FIRST),),
            channels=("ct", "pet"),
            tile_step=0.5,
            grid=GRID,
            window="monai",
            mean="probability",
        ),
        Stage(
            members=(
                Member(
                    "stage2_swinunetr",
                    network=SWIN_UNETR,
                    training=replace(SECOND, optimizer="adamw", rate=1e-4, decay="cosine"),
                ),
                Member("stage2_segresnetds", network=SEGRESNET, training=SECOND),
                Member("stage2_unet", network=UNET, training=SECOND),
            ),
            channels=("ct", "pet", "mask"),
            tile_step=0.5,
            grid=SECOND_GRID,
            window="monai",
            mean="probability",
        ),
    ),
    depth=(),
    post=(),
    time_limit_s=300.0,
    body_crop=True,
    deviations=(
        "The first stage's mask meets the second on the PET's grid and is brought back by the nearest voxel.",
        "The three members count alike; each answers with the mean over its folds.",
        "Augmentation works on the normalised channels, not on the [0, 1] scale in between.",
        "Only the body's box is swept; `body_crop=False` sweeps everything.",
        "Patches are drawn with replacement; how strong the augmentations are is not the paper's.",
    ),
)
