# SPDX-License-Identifier: Apache-2.0
"""The autoPET III system of Ahamed: a residual U-Net on 2 mm voxels, trained with generalised Dice focal loss."""

from __future__ import annotations

from petlesion.recipe import ChannelScaling, Member, MonaiGrid, MonaiNetwork, Recipe, Stage
from petlesion.schedule import MonaiTraining

UNET = MonaiNetwork(
    name="UNet",
    outputs=2,
    patch_xyz=(192, 192, 192),
    arguments={"channels": (32, 64, 128, 256, 512), "strides": (2, 2, 2, 2), "num_res_units": 2, "norm": "batch"},
)

AHAMED = Recipe(
    name="ahamed",
    title="autoPET III: MONAI UNet on 2 mm voxels, generalised Dice focal loss",
    citation="Ahamed, AutoPET Challenge III: testing the robustness of generalized Dice focal loss trained 3D residual "
    "UNet for FDG and PSMA lesion segmentation from whole-body PET/CT images, 2024, arXiv:2409.10151",
    stages=(
        Stage(
            members=(
                Member(
                    "all",
                    network=UNET,
                    training=MonaiTraining(
                        epochs=400,
                        batch_size=4,
                        patch_xyz=(128, 128, 128),
                        optimizer="adam",
                        rate=1e-3,
                        decay="cosine",
                        loss="generalized_dice_focal",
                        augmentations=("axial_affine", "elastic", "gamma", "noise"),
                    ),
                ),
            ),
            channels=("ct", "pet"),
            tile_step=0.5,
            grid=MonaiGrid(
                orientation="RAS",
                spacing_xyz_mm=(2.0, 2.0, 2.0),
                channels=(ChannelScaling(-1024.0, 1024.0, shift=-1024.0, scale=2048.0), ChannelScaling()),
                foreground_above_hu=-1024.0,
            ),
            window="monai",
            mean="probability",
        ),
    ),
    depth=(),
    post=(),
    time_limit_s=300.0,
    body_crop=True,
    deviations=(
        "The mean probability comes back to the PET's grid, linearly, and is cut there; the paper brings a mask back.",
        "The box of the CT's foreground is cut before the resampling, not after it.",
        "Only the body's box is swept, a part of the CT's foreground; `body_crop=False` sweeps all of that.",
        "Patches are drawn with replacement; how strong elastic changes and noise are is not the paper's.",
    ),
)
