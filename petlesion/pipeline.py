# SPDX-License-Identifier: Apache-2.0
"""The whole walk from an admitted case to its mask: `segment`, on one screen."""

from __future__ import annotations

import logging
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from petlesion.inference.allocator import keep_freed_memory
from petlesion.inference.body import body_box
from petlesion.inference.ensemble import Deadline, EnsembleLogit, Observer, predict
from petlesion.inference.heatmap import click_heatmap
from petlesion.inference.networks import load_network
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.plan import InferencePlan, plan_inference
from petlesion.inference.preprocess import ModelInput, patch_extent, prepare, restore
from petlesion.inference.tracer import TracerCall, call_tracer, load_tracer_networks
from petlesion.lesions import Lesion, LesionMask, measure_lesions
from petlesion.limits import Device, Limits
from petlesion.postprocess import apply_rules
from petlesion.recipes import MESBAH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.inference.weights import ModelEntry, ModelStore
    from petlesion.recipe import Recipe, Stage
    from petlesion.volume import Index

LOG = logging.getLogger(__name__)

# What the steps after the sweeps take at most on two CPU cores: restoring, components, writing and reading back.
FINISH_S = 2.0
FINISH_S_PER_MVOX = 0.15


def segment(
    case: PetCtCase,
    store: ModelStore,
    limits: Limits | None = None,
    recipe: Recipe = MESBAH,
    observer: Observer = lambda _: None,
) -> Result:
    """Segment the tumour lesions of a case.

    Args:
        case: CT in HU, PET in SUV and clicks on the PET's grid, made by `case.admit`.
        store: The weights, opened by `ModelStore.open`.
        limits: Time, device and depth; by default the recipe's.
        recipe: The published system.
        observer: Called after each tile with the progress.

    Raises:
        WeightsError: When the store lacks what the recipe needs, or holds something else.
        PlansError: When the weights' plans ask for what is not supported.
        PlanError: When `limits` asks for folds that the weights lack.
        OutOfLimitsError: When time or memory ended before there was any mask.
        Terminated: When SIGTERM came before there was any mask.
    """
    run = _Run(case, store, limits or Limits(), recipe, observer)
    tracer = run.call_tracer()
    mask, records = np.zeros(case.grid.shape_zyx, np.bool_), []
    for stage in recipe.stages:
        model = store.entry(recipe.name, stage.role(tracer.tracer))
        plans = NnunetPlans.parse(store.plans(model), store.dataset(model), model.configuration)
        channels = run.draw_channels(stage)
        prepared = run.prepare(channels, plans)
        plan = run.plan(stage, model, prepared)
        networks = run.load(model, plan)
        answer = run.sweep(networks, prepared, plans, plan)
        mask = run.restore(answer, prepared)
        records.append(StageRecord.of(model, plan, prepared, answer))
    return run.measure(mask, tracer, tuple(records))


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What one stage did.

    Attributes:
        model: The weights.
        plan: Its sweeps, with the reason.
        box_zyx: The part of the PET's grid that was swept: (start, stop) for each axis.
        network_shape_zyx: Shape of the networks' input.
        sweeps: The finished (fold, flip) pairs.
        seconds: Time of each of them.
        stopped: Why sweeps of the plan are missing: "", "time", "memory" or "terminated".
    """

    model: ModelEntry
    plan: InferencePlan
    box_zyx: tuple[Index, Index]
    network_shape_zyx: Index
    sweeps: tuple[tuple[int, tuple[int, ...]], ...]
    seconds: tuple[float, ...]
    stopped: str

    @classmethod
    def of(cls, model: ModelEntry, plan: InferencePlan, prepared: ModelInput, answer: EnsembleLogit) -> StageRecord:
        """The record of a finished stage; the arrays are not kept."""
        box = (prepared.box.start_zyx, prepared.box.stop_zyx)
        z, y, x = answer.logit_zyx.shape
        return cls(model, plan, box, (z, y, x), answer.sweeps, answer.seconds, answer.stopped)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A segmented case.

    Attributes:
        mask: uint8, 0 and 1, (Z, Y, X), on the PET's grid.
        tracer: The tracer with its votes.
        tracer_model: The weights that voted; None where the tracer was given.
        lesions: 26-connected components of the mask, measured on the PET.
        stages: What each stage did.
        seconds: Seconds by step of the walk.
    """

    mask: LesionMask
    tracer: TracerCall
    tracer_model: ModelEntry | None
    lesions: tuple[Lesion, ...]
    stages: tuple[StageRecord, ...]
    seconds: dict[str, float]

    @property
    def stopped(self) -> str:
        """Why sweeps are missing: "", "time", "memory" or "terminated"."""
        return next((stage.stopped for stage in self.stages if stage.stopped), "")


def choose_device(wanted: Device) -> torch.device:
    """The device for "auto", "cpu" or "cuda"; without a GPU, "cuda" becomes the CPU with a warning."""
    if wanted == "cpu" or not torch.cuda.is_available():
        if wanted == "cuda":
            LOG.warning("warning: no CUDA device is there; the CPU is used")
        return torch.device("cpu")
    return torch.device("cuda")


@dataclass(slots=True)
class _Run:
    """One walk: its case, bounds and device, and the seconds of each step."""

    case: PetCtCase
    store: ModelStore
    limits: Limits
    recipe: Recipe
    observer: Observer
    device: torch.device = field(init=False)
    deadline: Deadline = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = choose_device(self.limits.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        started_s = time.monotonic() if self.limits.started_s is None else self.limits.started_s
        limit_s = self.limits.time_limit_s or self.recipe.time_limit_s
        finish_s = FINISH_S + FINISH_S_PER_MVOX * self.case.grid.n_voxels / 1e6
        self.deadline = Deadline(None if math.isinf(limit_s) else started_s + limit_s - finish_s)
        LOG.info("case %s: %s voxels (x, y, z), %d clicks; device %s", self.case.name, self.case.grid.size_xyz,
                 len(self.case.clicks), self.device)  # fmt: skip

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds inside to those of `step`."""
        begun = time.monotonic()
        yield
        self.seconds[step] = round(self.seconds.get(step, 0.0) + time.monotonic() - begun, 3)

    def call_tracer(self) -> TracerCall:
        """The tracer that was given, or the vote of the MIP-CNN's folds."""
        if self.limits.tracer is not None:
            return TracerCall(self.limits.tracer)
        with self.timed("tracer"):
            networks = load_tracer_networks(self.store, self.store.entry(self.recipe.name, "tracer"), self.device)
            call = call_tracer(self.case.pet_suv, networks)
        LOG.info("tracer: %s, %d of %d votes", call.tracer, call.votes.count(call.tracer), len(call.votes))
        return call

    def draw_channels(self, stage: Stage) -> tuple[NDArray[np.float32], ...]:
        """The stage's input channels on the PET's grid, each float32, (Z, Y, X)."""
        with self.timed("heatmap"):
            drawn = {"ct": self.case.ct_hu.array_zyx, "pet": self.case.pet_suv.array_zyx}
            if stage.heatmap is not None:
                drawn["clicks"] = click_heatmap(self.case.clicks, drawn["pet"], stage.heatmap)
            return tuple(drawn[name] for name in stage.channels)

    def prepare(self, channels: tuple[NDArray[np.float32], ...], plans: NnunetPlans) -> ModelInput:
        """The networks' input: the body's box (where wanted), normalised and resampled."""
        spacing = self.case.grid.spacing_zyx_mm
        crop = self.recipe.body_crop if self.limits.body_crop is None else self.limits.body_crop
        with self.timed("prepare"):
            box = body_box(self.case, patch_extent(plans, spacing)) if crop else None
            return prepare(channels, spacing, plans, box)

    def plan(self, stage: Stage, model: ModelEntry, prepared: ModelInput) -> InferencePlan:
        """Folds, flips and tile step, from what the networks will sweep and what the user allows."""
        voxels = prepared.array_czyx[0].size
        plan = plan_inference(
            self.recipe,
            stage,
            self.limits,
            model.fold_numbers,
            network_voxels=voxels,
            input_voxels=self.case.grid.n_voxels,
        ).mirrored_only_along(model.mirror_axes)
        LOG.info("plan: %d folds x %d flips. %s", len(plan.folds), len(plan.flips), plan.reason)
        return plan

    def load(self, model: ModelEntry, plan: InferencePlan) -> dict[int, torch.nn.Module]:
        """The networks of the planned folds, resident on the device."""
        with self.timed("load"):
            return {fold: load_network(self.store, model, fold, self.device) for fold in plan.folds}

    def sweep(
        self,
        networks: dict[int, torch.nn.Module],
        prepared: ModelInput,
        plans: NnunetPlans,
        plan: InferencePlan,
    ) -> EnsembleLogit:
        """The mean logit of the planned sweeps, as far as time and memory allow."""
        with self.timed("sweeps"):
            return predict(
                networks,
                prepared.array_czyx,
                plans.patch_zyx,
                plan,
                deadline=self.deadline,
                device=self.device,
                observer=self.observer,
            )

    def restore(self, answer: EnsembleLogit, prepared: ModelInput) -> NDArray[np.bool_]:
        """The mask on the PET's grid: where the logit is positive."""
        with self.timed("restore"):
            return restore(answer.logit_zyx, prepared)

    def measure(self, mask: NDArray[np.bool_], tracer: TracerCall, stages: tuple[StageRecord, ...]) -> Result:
        """The result, after the component rules, with its lesions measured."""
        with self.timed("components"):
            pet = self.case.pet_suv
            kept = apply_rules(mask, pet.array_zyx, 1000 * pet.grid.voxel_ml, self.recipe.post)
            volume = LesionMask.of(kept, pet.grid)
            lesions = measure_lesions(volume, pet)
        voters = self.store.entry(self.recipe.name, "tracer") if tracer.votes else None
        return Result(volume, tracer, voters, lesions, stages, self.seconds)
