# SPDX-License-Identifier: Apache-2.0
"""LesionTracer, the winner of autoPET III (Rokuss et al.): one ensemble for both tracers, organs as a second task."""

from __future__ import annotations

from petlesion.recipe import Member, Recipe, Stage, TimedDepth
from petlesion.schedule import TrainingSchedule

LESION_TRACER = Recipe(
    name="lesion_tracer",
    title="autoPET III: one ResEncL ensemble for both tracers, with an organ head in training",
    citation="Rokuss et al., From FDG to PSMA: a hitchhiker's guide to multitracer, multicenter lesion segmentation in "
    "PET/CT imaging, 2024, arXiv:2409.09478",
    stages=(Stage(members=(Member("all"),), channels=("ct", "pet"), tile_step=0.6),),
    depth=TimedDepth(choices=((), (2,), (1, 2))),
    post=(),
    time_limit_s=300.0,
    body_crop=True,
    training=TrainingSchedule(
        epochs=1500,
        iterations=(("all", 250),),
        batch_size=3,
        initial_rate=1e-3,
        organs=(
            "spleen",
            "kidneys",
            "liver",
            "bladder",
            "lungs",
            "brain",
            "heart",
            "stomach",
            "prostate",
            "head glands",
        ),
    ),
    deviations=(
        (
            "The first fold in the store's order is timed, and every sweep counts alike; "
            "the released code averages the flips of each fold first."
        ),
        "Only the body's box is swept, which the released code does not do; `body_crop=False` sweeps everything.",
        "nnU-Net's 250 iterations an epoch; the paper does not name another number.",
    ),
)
