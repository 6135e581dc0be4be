# SPDX-License-Identifier: Apache-2.0
"""The whole walk from an admitted case to its mask: `segment`, on one screen."""

from __future__ import annotations

import logging
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from petlesion.case import Tracer
from petlesion.inference.ahead import LoadingAhead
from petlesion.inference.allocator import keep_freed_memory
from petlesion.inference.channels import draw_channels
from petlesion.inference.compiled import Compiled
from petlesion.inference.ensemble import EnsembleLead, predict
from petlesion.inference.manifest import WeightsError
from petlesion.inference.networks import average, load_network
from petlesion.inference.plan import InferencePlan, plan_inference
from petlesion.inference.plans import Plans, prepare_input, read_plans, share_input, stage_box
from petlesion.inference.preprocess import ModelInput, restore
from petlesion.inference.tile_memory import Recalling, TileMemory
from petlesion.inference.tracer import TracerCall, load_tracer_networks, recall_tracer
from petlesion.inference.upright import Turn
from petlesion.inference.workplace import Averaging, Deadline, Observer
from petlesion.lesions import LesionMask, measure_lesions
from petlesion.limits import Device, Limits, OutOfLimitsError, Terminated, is_out_of_memory
from petlesion.postprocess import apply_rules
from petlesion.recipes import MESBAH
from petlesion.result import Result, StageRecord, TileCounts
from petlesion.termination import Termination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.inference.weights import ModelEntry, ModelStore
    from petlesion.recipe import Recipe, Stage
    from petlesion.volume import Index, Volume

LOG = logging.getLogger(__name__)

# What the steps after the sweeps take at most on two CPU cores: restoring, components, writing and reading back.
FINISH_S = 2.0
FINISH_S_PER_MVOX = 0.08


def segment(
    case: PetCtCase,
    store: ModelStore,
    limits: Limits | None = None,
    recipe: Recipe = MESBAH,
    observer: Observer = lambda _: None,
    *,
    memory: TileMemory | None = None,
) -> Result:
    """Segment the tumour lesions of a case.

    Args:
        case: CT in HU, PET in SUV and clicks on the PET's grid, made by `case.admit`.
        store: The weights, opened by `ModelStore.open`.
        limits: Time, device and depth; by default the recipe's.
        recipe: The published system.
        observer: Called after each tile with the progress.
        memory: Where answers of the networks are kept and found again, over many calls: after a change of the clicks,
            few tiles have to be computed anew. The mask is the same as without.

    Raises:
        WeightsError: When the store lacks what the recipe needs, or holds something else.
        PlansError: When the weights' plans ask for what is not supported.
        PlanError: When `limits` asks for folds that the weights lack.
        OutOfLimitsError: When time or memory ended before there was any mask.
        Terminated: When SIGTERM came before there was any mask.
    """
    turn = Turn.upright(case.grid)
    run = _Run(turn.case(case), store, limits or Limits(), recipe, observer, memory)
    with run.ahead:
        tracer = run.call_tracer()
        mask, records = np.zeros(run.case.grid.shape_zyx, np.bool_), []
        for stage in recipe.stages:
            Termination.current().let_go()  # the mask of a stage before the last is no answer
            models = run.models(stage, tracer)
            prepared = run.prepare(stage, run.draw_channels(stage, mask), list(models.values()))
            answers: list[EnsembleLead] = []
            for model, plans in models.items():
                plan = run.plan(stage, model, prepared)
                answer = run.sweep(stage, model, prepared, plans.patch_zyx, plan, optional=bool(answers))
                records.append(StageRecord.of(model, plan, prepared, answer, run.count_tiles()))
                answers += [answer] if isinstance(answer, EnsembleLead) else []
            mask = run.restore(answers, prepared)
        return run.measure(case.pet_suv, turn.back(mask), tracer, tuple(records))


def choose_device(wanted: Device) -> torch.device:
    """The device for "auto", "cpu" or "cuda"; without a GPU, "cuda" becomes the CPU with a warning."""
    if wanted == "cpu" or not torch.cuda.is_available():
        if wanted == "cuda":
            LOG.warning("warning: no CUDA device is there; the CPU is used")
        return torch.device("cpu")
    return torch.device("cuda")


def _loading(store: ModelStore, device: torch.device) -> Callable[[ModelEntry, int], torch.nn.Module]:
    """What loads a fold onto a device; of no run, which would else stay in memory until its own loader is collected."""
    return lambda model, fold: store.network(model, fold, device, load_network)


@dataclass(slots=True)
class _Run:
    """One walk: its case, upright, its bounds and device, and the seconds of each step."""

    case: PetCtCase
    store: ModelStore
    limits: Limits
    recipe: Recipe
    observer: Observer
    memory: TileMemory | None
    device: torch.device = field(init=False)
    deadline: Deadline = field(init=False)
    ensembles_left: int = field(init=False)
    ahead: LoadingAhead = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)
    recalling: list[Recalling] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.device = choose_device(self.limits.device)
        self.ahead = LoadingAhead(_loading(self.store, self.device))
        if self.device.type == "cpu":
            keep_freed_memory()
        started_s = time.monotonic() if self.limits.started_s is None else self.limits.started_s
        limit_s = self.limits.time_limit_s or self.recipe.time_limit_s
        finish_s = FINISH_S + FINISH_S_PER_MVOX * self.case.grid.n_voxels / 1e6
        self.deadline = Deadline(None if math.isinf(limit_s) else started_s + limit_s - finish_s)
        # Where the tracer is yet to be called, those of one tracer: each tracer has as many.
        self.ensembles_left = len(self.recipe.members(self.limits.tracer or next(iter(Tracer))))
        LOG.info("case %s: %s voxels (x, y, z), %d clicks; device %s", self.case.name, self.case.grid.size_xyz,
                 len(self.case.clicks), self.device)  # fmt: skip

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds inside to those of `step`."""
        begun = time.monotonic()
        yield
        self.seconds[step] = round(self.seconds.get(step, 0.0) + time.monotonic() - begun, 3)

    def call_tracer(self) -> TracerCall | None:
        """The tracer that was given, or the header's, or the MIP-CNN's vote; None where no ensemble depends on it."""
        if self.limits.tracer is not None:
            return TracerCall(self.limits.tracer).with_record(self.case.recorded_tracer)
        if not self.recipe.routes_by_tracer:
            return None
        with self.timed("tracer"):
            entry, pet = self.store.entry(self.recipe.name, "tracer"), self.case.pet_suv
            call = recall_tracer(
                pet, entry, self.device, self.memory, lambda: load_tracer_networks(self.store, entry, self.device)
            )
        LOG.info("tracer: %s, %d of %d votes", call.tracer, call.votes.count(call.tracer), len(call.votes))
        return call.with_record(self.case.recorded_tracer)

    def models(self, stage: Stage, tracer: TracerCall | None) -> dict[ModelEntry, Plans]:
        """The stage's ensembles that serve the tracer, with their plans; the first one's folds begin to load."""
        members = stage.serving(tracer.tracer if tracer else None)
        entries = [self.store.entry(self.recipe.name, member.role) for member in members]
        self.ahead.ask(entries[0], [n for n in entries[0].fold_numbers if n in (self.limits.folds or (n,))])
        return {entry: read_plans(self.store, entry) for entry in entries}

    def draw_channels(self, stage: Stage, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], ...]:
        """The stage's input channels on the PET's grid, each float32, (Z, Y, X); `mask` is the stage before's."""
        with self.timed("heatmap"):
            return draw_channels(self.case, stage, mask)

    def prepare(self, stage: Stage, channels: tuple[NDArray[np.float32], ...], plans: Sequence[Plans]) -> ModelInput:
        """The networks' input: the body's box (where wanted), normalised and resampled; one for all of a stage.

        Raises:
            WeightsError: When the ensembles of the stage do not see the same.
        """
        if not all(share_input(plans[0], other) for other in plans[1:]):
            raise WeightsError("the ensembles of one stage see one grid and one normalisation; these weights do not")
        crop = self.recipe.body_crop if self.limits.body_crop is None else self.limits.body_crop
        with self.timed("prepare"):
            box = stage_box(self.case, plans, self.limits.tile_step or stage.tile_step, stage.window) if crop else None
            return prepare_input(channels, self.case.grid, plans[0], box, self.memory)

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
            networks = self._resident(model, plan.folds)
            networks = {plan.folds[0]: average(tuple(networks.values()))} if plan.averaged else networks
            wanted = self.limits.compile and self.device.type == "cuda"
            networks = {fold: Compiled(network) for fold, network in networks.items()} if wanted else networks
        if self.memory is None:
            return networks
        hashes = {n: model.fold(n).sha256 for n in plan.folds}
        if plan.averaged:
            hashes = {plan.folds[0]: "mean of " + " ".join(hashes.values())}
        recalling = {n: Recalling(network, hashes[n], self.memory) for n, network in networks.items()}
        self.recalling += recalling.values()
        return {**recalling}

    def _resident(self, model: ModelEntry, folds: Sequence[int]) -> dict[int, torch.nn.Module]:
        """The networks of these folds; a GPU that has no room for them is left for the CPU."""
        try:
            return {fold: self.ahead.take(model, fold) for fold in folds}
        except RuntimeError as error:
            if self.device.type == "cpu" or not is_out_of_memory(error):
                raise
        LOG.warning("memory is short: the GPU has no room for the networks; the CPU takes over")
        self.device = torch.device("cpu")
        self.ahead.load_by(_loading(self.store, self.device))
        keep_freed_memory()
        return {fold: self.ahead.take(model, fold) for fold in folds}

    def count_tiles(self) -> TileCounts | None:
        """Tiles that were computed and reused since the last count; None without a memory."""
        if self.memory is None:
            return None
        counts = TileCounts(sum(one.computed for one in self.recalling), sum(one.reused for one in self.recalling))
        self.recalling.clear()
        return counts

    def sweep(
        self,
        stage: Stage,
        model: ModelEntry,
        prepared: ModelInput,
        patch_zyx: Index,
        plan: InferencePlan,
        *,
        optional: bool,
    ) -> EnsembleLead | OutOfLimitsError:
        """The mean of the planned sweeps, as far as memory, SIGTERM and this ensemble's part of the time left allow.

        The first sweep that no mask is possible without may take all the time there is. The error is returned where not
        one sweep was finished and the stage can do without (`optional`).
        """
        own_end_s, whole_s = self._own_end_s(), self.deadline.at_s
        try:
            with Termination.current().at_once():
                networks = self.load(model, plan)
            with self.timed("sweeps"):
                return predict(
                    *(networks, prepared.array_czyx, patch_zyx, plan),
                    deadline=replace(self.deadline, at_s=own_end_s, first_at_s=None if optional else whole_s),
                    device=self.device,
                    observer=self.observer,
                    averaging=Averaging(stage.window, stage.mean),
                )
        except (OutOfLimitsError, Terminated, MemoryError, RuntimeError) as error:
            if not optional or not (isinstance(error, OutOfLimitsError | Terminated) or is_out_of_memory(error)):
                raise
            LOG.warning("warning: an ensemble is left out: %s", error)
            if isinstance(error, OutOfLimitsError):
                return error
            return OutOfLimitsError(str(error), "terminated" if isinstance(error, Terminated) else "memory")

    def _own_end_s(self) -> float | None:
        """When this ensemble must have ended: the time left is shared out evenly among those that are still to come."""
        left = self.ensembles_left
        self.ensembles_left -= 1
        return None if self.deadline.at_s is None else self.deadline.now() + self.deadline.left_s / max(left, 1)

    def restore(self, answers: Sequence[EnsembleLead], prepared: ModelInput) -> NDArray[np.bool_]:
        """The mask on the PET's grid: where the mean over the ensembles is positive."""
        with self.timed("restore"):
            lead = answers[0].lead_zyx if len(answers) == 1 else np.mean([one.lead_zyx for one in answers], axis=0)
            return restore(lead, prepared)

    def measure(
        self, pet: Volume, mask: NDArray[np.bool_], tracer: TracerCall | None, stages: tuple[StageRecord, ...]
    ) -> Result:
        """The result, after the component rules, with its lesions measured on the PET as it was given."""
        with self.timed("components"):
            kept = apply_rules(mask, pet.array_zyx, 1000 * pet.grid.voxel_ml, self.recipe.post)
            volume = LesionMask.of(kept, pet.grid)
            lesions = measure_lesions(volume, pet)
        voters = self.store.entry(self.recipe.name, "tracer") if tracer and tracer.votes else None
        return Result(volume, tracer, voters, lesions, stages, self.seconds)
