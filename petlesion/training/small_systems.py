# SPDX-License-Identifier: Apache-2.0
"""Small weights for the systems beside mesbah: each by its own channels, network and loss, on mesbah's phantoms.

An ensemble learns from both tracers' cases, each fold without the patients that mesbah's fold leaves out. The mask that
a second stage sees in training is made out of fold, as at full size.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.case import Tracer
from petlesion.inference.cpu_layers import quicken
from petlesion.inference.ensemble import predict
from petlesion.inference.manifest import ModelEntry
from petlesion.inference.monai_networks import LesionLogit
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.normalize import Scheme
from petlesion.inference.plan import InferencePlan
from petlesion.inference.weights import ModelStore, write_model
from petlesion.inference.workplace import Averaging
from petlesion.limits import UsageError
from petlesion.recipes import MESBAH
from petlesion.training.configuration import LICENCE, RealData, SyntheticTraining, split_sources
from petlesion.training.learners import Learner, Small, learner_of
from petlesion.training.organ_head import lesion_rows
from petlesion.training.plans import CONFIGURATION
from petlesion.training.stages import Ground, bare_state, fresh_network, run_stage, work_folder
from petlesion.training.start import STEM, fitted, restated
from petlesion.training.studies import patient_folds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from petlesion.inference.normalize import Intensity
    from petlesion.recipe import Recipe
    from petlesion.training.cases import TrainingCase
    from petlesion.training.start import State
    from petlesion.training.studies import Source

LOG = logging.getLogger(__name__)
FEATURES = (8, 16, 32, 64)
STRIDES = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
UNET = (("channels", FEATURES), ("strides", (2, 2, 2)), ("num_res_units", 2), ("norm", "batch"))
MASK_STEP = 1.0
"""Tiles of the masks that a second stage learns from lie side by side: an eighth of the time of the overlap."""
SMALL: dict[tuple[str, str], Small] = {
    ("lesion_tracer", "all"): Small(blocks=(1, 1, 2, 2, 2)),
    ("alloula", "all"): Small(),
    ("ahamed", "all"): Small(arguments=UNET),
    ("safdari", "stage1"): Small(
        folds=2,
        arguments=(
            *(("kernel_size", ((3, 3, 3),) * 4), ("strides", STRIDES), ("upsample_kernel_size", STRIDES[1:])),
            *(("filters", FEATURES), ("res_block", True), ("deep_supervision", True), ("deep_supr_num", 2)),
        ),
    ),
    ("safdari", "stage2_swinunetr"): Small(
        patch=(32, 32, 64),  # the deepest of its instance norms needs two voxels
        folds=1,
        share=0.5,
        arguments=(("feature_size", 12), ("depths", (1, 1, 1, 1)), ("num_heads", (1, 2, 2, 4))),
    ),
    ("safdari", "stage2_segresnetds"): Small(
        folds=2,
        share=0.5,
        arguments=(("init_filters", 8), ("blocks_down", (1, 1, 2)), ("blocks_up", (1, 1)), ("dsdepth", 2)),
    ),
    ("safdari", "stage2_unet"): Small(folds=2, share=0.5, arguments=(*UNET, ("dropout", 0.2))),
}
"""Sizes at which the ensembles learn in minutes on a CPU, and all folds together stay below 25 MB."""


def train_system_weights(
    out: Path,
    recipe: Recipe,
    *,
    seed: int | None = None,
    config: SyntheticTraining | None = None,
    real: RealData | None = None,
    work: Path | None = None,
) -> None:
    """Train and write small weights of every ensemble of a system beside mesbah, on mesbah's phantoms.

    Args:
        out: Folder of the manifest; models of other systems and roles that it holds are kept.
        recipe: The system; each of its ensembles has a size in `SMALL`.
        seed: Of everything random; None takes that of `config`.
        config: All numbers; the defaults are those of the shipped weights.
        real: Organ maps, clicks, studies and weights to start from; None draws phantoms freely and starts afresh.
        work: Folder for cases, finished stages and learning curves, as for mesbah's weights.

    Raises:
        UsageError: When the system has no small size.
        CaseError: When a real study or an organ map cannot be read.
    """
    if any((recipe.name, member.role) not in SMALL for member in recipe.members()):
        raise UsageError(f"small weights are trained of {sorted({name for name, _ in SMALL})}; got {recipe.name}")
    config, real = config or SyntheticTraining(), real or RealData()
    config = config if seed is None else replace(config, seed=seed)
    ground = Ground.of(config, real, work_folder(work, config))
    seen, unseen = _cases(ground, real)
    for stage in recipe.stages:
        for member in stage.members:
            small = SMALL[recipe.name, member.role]
            spacing_mm = ground.config.network.spacing_mm
            learner = learner_of(recipe, stage, member, small, ground.intensities, spacing_mm=spacing_mm)
            start = None if real.start is None else _start(ground, learner, ModelStore.open(real.start))
            states = _train_folds(ground, learner, small, (seen, unseen), start)
            write_model(out, _entry(learner, real), states, learner.plans, learner.dataset)
            if stage is not recipe.stages[-1]:
                masks = _out_of_fold(ground, learner, states, {**seen, **unseen})
                seen, unseen = ({s: replace(c, mask_zyx=masks[s]) for s, c in part.items()} for part in (seen, unseen))


def _cases(ground: Ground, real: RealData) -> tuple[dict[Source, TrainingCase], dict[Source, TrainingCase]]:
    """The cases of both tracers: those that are trained on, and those of the curve."""
    seen: dict[Source, TrainingCase] = {}
    unseen: dict[Source, TrainingCase] = {}
    for tracer in Tracer:
        for part, sources in zip((seen, unseen), split_sources(ground.config, real, tracer), strict=True):
            part.update(ground.cases(sources))
    return seen, unseen


def _start(ground: Ground, learner: Learner, store: ModelStore) -> State | None:
    """Weights of a store to begin with; None where it holds none that fit.

    They are the ensemble's own, else mesbah's for FDG where these are the same network but for its clicks.
    """
    names = [(learner.recipe.name, learner.member.role), (MESBAH.name, "fdg")]
    entry = next((one for name in names for one in store.entries if (one.system, one.role) == name), None)
    if entry is None:
        return None
    held = {key: tensor.float() for key, tensor in store.load(entry, 0).items()}
    if learner.dataset is not None and entry.architecture == "nnunet":
        new = _statistics(learner.plans, learner.dataset)
        old = _statistics(store.plans(entry), store.dataset(entry))[: len(new)]
        if STEM + "weight" not in held and old != new:
            return None
        held = held if old == new else restated(held, old, new)
    return fitted(held, bare_state(fresh_network(ground, learner, "start")))


def _statistics(plans: dict[str, Any], dataset: dict[str, Any]) -> list[Intensity | None]:
    """What each channel is normalised by; None where that is its own."""
    found = NnunetPlans.parse(plans, dataset).normalizations
    return [one.intensity if one.scheme is Scheme.CT else None for one in found]


def _left_out(sources: Mapping[Source, TrainingCase], n_folds: int, fold: int) -> set[Source]:
    """What a fold does not see: of each tracer what mesbah's fold does not."""
    return set().union(*(patient_folds([s for s in sources if s.tracer is tracer], n_folds)[fold] for tracer in Tracer))


def _train_folds(
    ground: Ground,
    learner: Learner,
    small: Small,
    cases: tuple[dict[Source, TrainingCase], dict[Source, TrainingCase]],
    start: State | None,
) -> dict[int, State]:
    seen, unseen = cases
    name = f"{learner.recipe.name}_{learner.member.role}"
    tuned = run_stage(ground, learner, name, start, (seen, unseen), ground.config.system.shortened(small.share))
    states = {}
    for fold in range(min(small.folds, ground.config.n_folds)):
        away = _left_out(seen, ground.config.n_folds, fold)
        own = {source: case for source, case in seen.items() if source not in away}
        states[fold] = run_stage(
            ground, learner, f"{name}_fold_{fold}", tuned, (own, unseen), ground.config.system_fold
        )
    return {fold: lesion_rows(state) if learner.n_organs else state for fold, state in states.items()}


def _out_of_fold(
    ground: Ground, learner: Learner, states: Mapping[int, State], cases: Mapping[Source, TrainingCase]
) -> dict[Source, NDArray[np.uint8]]:
    """The mask of every case by a fold that did not see it, (Z, Y, X); where all folds did, by the first."""
    networks = {}
    for fold, state in states.items():
        network = fresh_network(ground, learner, "mask")
        network.load_state_dict(state, strict=False)
        networks[fold] = quicken(LesionLogit(network).eval())
    away = {fold: _left_out(cases, ground.config.n_folds, fold) for fold in states}
    chosen = {source: next((fold for fold in states if source in away[fold]), min(states)) for source in cases}
    return {source: _mask(learner, networks[chosen[source]], case) for source, case in cases.items()}


def _mask(learner: Learner, network: nn.Module, case: TrainingCase) -> NDArray[np.uint8]:
    """What a network calls lesion on a case of the shared grid."""
    shown = np.concatenate([case.image_czyx.astype(np.float32), np.zeros((1, *case.truth_zyx.shape), np.float32)])
    image = torch.from_numpy(shown)[None]
    view, _ = learner.view((image, torch.zeros(1, 2, 1, 1, 1)))
    plan = InferencePlan((0,), ((),), MASK_STEP, "the mask that the next stage sees")
    patch = learner.patch_zyx[::-1]
    averaging = Averaging(learner.stage.window, learner.stage.mean)
    lead = predict({0: network}, view[0].numpy(), patch, plan, averaging=averaging).lead_zyx
    return np.ascontiguousarray((lead > 0).transpose(2, 1, 0)).astype(np.uint8)


def _entry(learner: Learner, real: RealData) -> ModelEntry:
    monai = learner.member.network is not None
    return ModelEntry(
        system=learner.recipe.name,
        role=learner.member.role,
        architecture="monai" if monai else "nnunet",
        channels=learner.stage.channels,
        licence=LICENCE,
        source=f"petlesion train --recipe {learner.recipe.name} --synthetic",
        training_data=real.described(with_studies=True),
        synthetic=True,
        configuration="" if monai else CONFIGURATION,
        mirror_axes=() if monai or not learner.recipe.nnunet_training.mirror else (0, 1, 2),
    )
