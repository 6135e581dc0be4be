# SPDX-License-Identifier: Apache-2.0
"""The interactive baseline of autoPET IV's organisers: nnU-Net with a channel of its own for each kind of click."""

from __future__ import annotations

from math import inf

from petlesion.recipe import HeatmapRule, Member, Recipe, Stage
from petlesion.schedule import NetworkSize, TrainingSchedule

BASELINE = Recipe(
    name="baseline",
    title="autoPET IV, the organisers' baseline: nnU-Net with tumour and background clicks as two channels",
    citation="autoPET IV challenge, organisers' nnU-Net baseline, 2025",
    stages=(
        Stage(
            members=(Member("all"),),
            channels=("ct", "pet", "tumor_clicks", "background_clicks"),
            tile_step=0.5,
            heatmap=HeatmapRule(sigma_tumor_voxels=3.0, sigma_background_voxels=3.0, suv_cut=-inf),
        ),
    ),
    depth=(),
    post=(),
    time_limit_s=300.0,
    body_crop=True,
    training=TrainingSchedule(
        epochs=1000,
        iterations=(("all", 250),),
        batch_size=2,
        initial_rate=1e-4,
        network=NetworkSize(
            features=(32, 64, 128, 256, 320, 320), blocks=(2,) * 6, patch_zyx=(128, 128, 128), residual=False
        ),
        misalign=False,
        smooth_dice=True,
    ),
    deviations=(
        "The width of a click is 3 voxels for both kinds, and the patch nnU-Net's own for 24 GB: neither is published.",
        "Five folds like the other systems; the organisers trained fold 0 alone.",
        "Only the body's box is swept; `body_crop=False` sweeps everything.",
    ),
)
