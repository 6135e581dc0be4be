# SPDX-License-Identifier: Apache-2.0
"""The autoPET IV system of Mesbah et al.: tracer routing, click heatmap, dynamic inference depth."""

from __future__ import annotations

from math import inf

from petlesion.case import Tracer
from petlesion.postprocess import RemoveSmallAndCold
from petlesion.recipe import DepthRow, HeatmapRule, Member, Recipe, Stage
from petlesion.schedule import TrainingSchedule

MESBAH = Recipe(
    name="mesbah",
    title="autoPET IV: tracer-routed ResEncL ensembles with a click heatmap",
    citation="Mesbah et al., interactive lesion segmentation in FDG and PSMA PET/CT, autoPET IV challenge, 2025",
    stages=(
        Stage(
            members=(Member("fdg", Tracer.FDG), Member("psma", Tracer.PSMA)),
            channels=("ct", "pet", "clicks"),
            tile_step=0.6,
            heatmap=HeatmapRule(suv_cut=3.0),  # the paper's T; the released code has 4
        ),
    ),
    depth=(  # thresholds tuned for a T4 and 15 minutes a case
        DepthRow(18e6, (0, 1, 2)),
        DepthRow(39e6, (1, 2)),
        DepthRow(90e6, (2,)),
        DepthRow(inf, ()),
    ),
    post=(RemoveSmallAndCold(below_voxels=10, below_suv=4.0),),
    time_limit_s=900.0,
    body_crop=True,
    training=TrainingSchedule(
        epochs=1500,
        iterations=(("fdg", 350), ("psma", 250)),
        batch_size=3,
        initial_rate=1e-3,
        organs=(
            "brain",
            "liver",
            "kidneys",
            "bladder",
            "spleen",
            "digestive system",
            "pancreas",
            "prostate",
            "skeleton",
            "heart",
            "aorta",
            "lungs",
            "parotid glands",
            "submandibular glands",
        ),
    ),
    deviations=(
        "No clicks give zeros, background clicks alone a negative heatmap; the released code: NaN, and a positive one.",
        "Background is cut wherever the tumour map is positive; the released code spares the clicked voxels.",
        "HeatmapRule(suv_cut=4, background_only_sign=+1, spare_clicked_voxels=True) repeats the released code.",
        "The heatmap's cut is the paper's T = 3; the released code has 4.",
        "The third row of the depth table mirrors along axis (2,), as the paper says; the released code crashes there.",
        "The depth counts the voxels that the network sweeps; `depth=published` counts those of the input.",
        "Only the body's box is swept, which the released code does not do; `body_crop=False` sweeps everything.",
    ),
)
