# SPDX-License-Identifier: Apache-2.0
"""Stages of a training of small segmentation networks: each begins with another's weights and keeps its curve."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from petlesion.case import Tracer
from petlesion.inference.networks import canonical_keys
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.recipe import HeatmapRule
from petlesion.recipes import MESBAH
from petlesion.training.cases import TrainingCase, make_cases
from petlesion.training.configuration import split_sources
from petlesion.training.loop import Batch, Schedule, build, train
from petlesion.training.patches import Patches
from petlesion.training.plans import dataset_json, plans_json
from petlesion.training.studies import lesion_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from petlesion.inference.normalize import Intensity
    from petlesion.training.configuration import RealData, SyntheticTraining
    from petlesion.training.learners import Learner
    from petlesion.training.studies import Source
    from petlesion.volume import Index

    Cases = Mapping[Source, TrainingCase]

LOG = logging.getLogger(__name__)
REPORT_EVERY = 250


@dataclass(frozen=True, slots=True)
class Ground:
    """What all stages of the segmentation training share."""

    config: SyntheticTraining
    work: Path
    plans: dict[str, Any]
    dataset: dict[str, Any]
    heatmap: HeatmapRule

    @classmethod
    def of(cls, config: SyntheticTraining, real: RealData, work: Path) -> Ground:
        """Plans with statistics of the first cases; read from `work` where an earlier run wrote them."""
        path = work / "plans.json"
        if not path.exists():
            values = lesion_values(_measured(config, real))
            path.write_text(json.dumps(plans_json(config.network, values, "petlesion_phantoms"), indent=2))
        heatmap = MESBAH.stages[0].heatmap or HeatmapRule()
        return cls(config, work, json.loads(path.read_text()), dataset_json(config.n_cases), heatmap)

    @property
    def intensities(self) -> tuple[Intensity, Intensity]:
        """Statistics of CT and PET.

        Raises:
            ValueError: When the plans have none for one of them.
        """
        ct, pet = (one.intensity for one in NnunetPlans.parse(self.plans, self.dataset).normalizations[:2])
        if ct is None or pet is None:
            raise ValueError("the plans of the small networks normalise CT and PET by statistics; they have none")
        return ct, pet

    def patches(
        self,
        cases: Sequence[TrainingCase],
        patch_zyx: Index | None = None,
        *,
        augment: bool = True,
        z_score: bool = False,
    ) -> Patches:
        """Batches of the given cases."""
        size = self.config.network
        sampling = replace(
            self.config.sampling,
            patch_zyx=patch_zyx or size.patch_zyx,
            spacing_mm=size.spacing_mm,
            batch_size=size.batch_size if augment else 1,
            augment=augment,
            z_score=z_score,
        )
        return Patches(cases, self.intensities[1], self.heatmap, sampling)

    def cases(self, sources: Sequence[Source]) -> dict[Source, TrainingCase]:
        """The prepared case of each source."""
        return dict(zip(sources, make_cases(self.work / "cases", sources, (self.plans, self.dataset)), strict=True))

    def weighted(self, cases: Cases) -> list[TrainingCase]:
        """Cases to draw from: real studies as often as the configuration says."""
        repeats = self.config.study_repeats
        return [case for s, case in cases.items() for _ in range(1 if s.images is None else repeats)]


def work_folder(work: Path | None, config: SyntheticTraining) -> Path:
    """The folder for cases, stages and curves, made; one of the system's for temporary files where none is given."""
    folder = work or Path(tempfile.gettempdir()) / f"petlesion-training-{config.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _measured(config: SyntheticTraining, real: RealData) -> list[Source]:
    """The sources that the intensity statistics are taken from: some of the phantoms, all real studies."""
    sources = [source for tracer in Tracer for source in split_sources(config, real, tracer)[0]]
    drawn = [source for source in sources if source.images is None]
    studies = [source for source in sources if source.images is not None]
    return [*drawn[:: max(1, config.n_cases // config.n_statistics)], *studies]


def fresh_network(ground: Ground, learner: Learner, name: str) -> nn.Module:
    """A fresh network, with the organ head's rows where the learner has one."""
    network = build(learner.build, ground.config.seed + sum(name.encode()))
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def run_stage(
    ground: Ground,
    learner: Learner,
    name: str,
    start: dict[str, torch.Tensor] | None,
    cases: tuple[Cases, Cases],
    schedule: Schedule,
) -> dict[str, torch.Tensor]:
    """Train one stage from `start` (or from scratch) and give its weights; a finished stage is read from disk.

    The second of `cases` are not trained on: the learning curve is drawn from them.
    """
    path = ground.work / f"{name}.pt"
    if path.exists():
        held: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
        return held
    network = fresh_network(ground, learner, name)
    if start is not None:
        network.load_state_dict(start, strict=False)
    fixed = _fixed_batches(ground, learner, cases[1])
    observer = _Curve(ground.work / f"{name}.csv", network, learner, fixed, path.with_suffix(".part"))
    rng = np.random.default_rng([ground.config.seed, sum(name.encode())])
    patches = ground.patches(ground.weighted(cases[0]), learner.patch_zyx, z_score=learner.z_scores_pet)
    train(network, lambda rng: learner.view(patches.batch(rng)), learner.loss, schedule, rng, observer)
    torch.save(bare_state(network), path)
    return bare_state(network)


def bare_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights, each tensor under its first name only, as models are written."""
    names = set(canonical_keys(network).values())
    state = network.state_dict()
    return {key: state[key].detach().clone().contiguous() for key in sorted(names)}


def _fixed_batches(ground: Ground, learner: Learner, cases: Cases) -> list[Batch]:
    """The same patches of cases that are not trained on, for the learning curve."""
    rng = np.random.default_rng(1)
    source = ground.patches(list(cases.values()), learner.patch_zyx, augment=False, z_score=learner.z_scores_pet)
    return [learner.view(source.batch(rng)) for _ in range(ground.config.n_checks)]


@dataclass(slots=True)
class _Curve:
    """Writes the learning curve, and the weights so far, every `REPORT_EVERY` steps."""

    path: Path
    network: nn.Module
    learner: Learner
    checks: Sequence[Batch]
    partial: Path
    losses: list[float] = field(default_factory=list)

    def __call__(self, step: int, loss: float) -> None:
        self.losses.append(loss)
        if step % REPORT_EVERY and step != 1:
            return
        score = patch_dice(self.network, self.checks, self.learner.lead)
        row = (step, round(float(np.mean(self.losses)), 4), round(score, 4))
        LOG.info("%s: step %d, loss %.4f, validation Dice %.4f", self.path.stem, *row)
        with self.path.open("a" if step > 1 else "w", newline="") as file:
            csv.writer(file).writerows([("step", "loss", "validation_dice")] * (step == 1) + [row])
        torch.save(bare_state(self.network), self.partial)
        self.losses.clear()


@torch.no_grad()
def patch_dice(
    network: nn.Module, batches: Sequence[Batch], lead: Callable[[nn.Module, torch.Tensor], torch.Tensor]
) -> float:
    """Dice of all lesion voxels of the batches together; the network is left in training mode.

    Args:
        network: What is scored.
        batches: Images and targets as the network takes them.
        lead: By how much lesion leads in the network's answer to an image, (B, Z, Y, X).
    """
    network.eval()
    both = total = 0
    for image, target in batches:
        found, truth = lead(network, image) > 0, target[:, 0] >= 0.5
        both += int((found & truth).sum())
        total += int(found.sum()) + int(truth.sum())
    network.train()
    return 2 * both / max(total, 1)


def shifted(state: dict[str, torch.Tensor], logit_shift: float) -> dict[str, torch.Tensor]:
    """Weights whose difference of logits, lesion minus background, is `logit_shift` less at every voxel."""
    last = max((key for key in state if key.startswith("decoder.seg_layers.") and key.endswith(".bias")), key=_number)
    return state | {last: state[last] + torch.tensor([0.5, -0.5]) * logit_shift}


def _number(key: str) -> int:
    """The number of a segmentation layer: the last one is that of full resolution."""
    return int(key.split(".")[2])
