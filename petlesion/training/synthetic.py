# SPDX-License-Identifier: Apache-2.0
"""The shipped default weights, from nothing but a seed: phantoms, small networks, one hour on two CPU cores.

What comes out is called synthetic and is not for clinical use.
"""

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
from petlesion.inference.manifest import ModelEntry
from petlesion.inference.networks import canonical_keys, network_from_plans
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.weights import write_model
from petlesion.recipe import HeatmapRule
from petlesion.recipes import MESBAH
from petlesion.training.cases import TrainingCase, lesion_values, make_cases
from petlesion.training.loop import Batch, Schedule, build, train
from petlesion.training.losses import dice_and_cross_entropy
from petlesion.training.patches import Patches, Sampling
from petlesion.training.pictures import PictureTraining, train_tracer_folds
from petlesion.training.plans import CONFIGURATION, SmallNetwork, dataset_json, plans_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petlesion.inference.manifest import Architecture
    from petlesion.inference.normalize import Intensity

LOG = logging.getLogger(__name__)
LICENCE = "Apache-2.0"
ROLES = ("tracer", "fdg", "psma")
REPORT_EVERY = 250
MORE_SEEDS = 10_000  # distance of the seeds of the phantoms that join late


@dataclass(frozen=True, slots=True)
class SyntheticTraining:
    """All numbers of a run; with the seed they fix its result on one kind of machine.

    Attributes:
        seed: Of phantoms, initial weights and batches. Phantom seeds are `seed` + 0, 1, ...; see `benchmarks` for those
            that are kept for testing.
        n_cases: Phantoms of each tracer that are trained on.
        n_more: Phantoms of each tracer that join for the last stages.
        n_validation: Further phantoms of each tracer, for the learning curve only.
        n_checks: Patches of these for each point of the curve.
        n_statistics: Coarse phantoms of each tracer for the intensity statistics.
        n_folds: Networks of an ensemble; each leaves out another share of the cases.
        network: The segmentation network.
        pretrain: Both tracers together.
        tune: Each tracer, from the pretrained network.
        settle: Each tracer again, now with large lesions as often as their voxels say, down to a rate of zero.
        finish: Each tracer once more, with more phantoms.
        fold: Each fold, from its tracer's network.
        large_share: Share of lesion patches around any lesion voxel from `settle` on; see `Sampling`.
        logit_shift: Taken from the lesion's logit of every fold, half from each row of the head: lesions fill more of
            the patches than of a body. Chosen on the phantoms 700000 to 700005 of each tracer, of 0, 1, 2, 3 and 4.
        pictures: The tracer networks.
    """

    seed: int = 20260
    n_cases: int = 32
    n_more: int = 20
    n_validation: int = 5
    n_checks: int = 60
    n_statistics: int = 12
    n_folds: int = 5
    network: SmallNetwork = field(default_factory=lambda: SmallNetwork(features=(8, 16, 32, 48, 64)))
    pretrain: Schedule = field(default_factory=lambda: Schedule(2500, rate=3e-3, horizon=5000, bfloat16=True))
    tune: Schedule = field(default_factory=lambda: Schedule(1000, rate=2e-3, horizon=3000, bfloat16=True))
    settle: Schedule = field(default_factory=lambda: Schedule(1400, rate=2e-3, bfloat16=True))
    finish: Schedule = field(default_factory=lambda: Schedule(1000, rate=1.2e-3, bfloat16=True))
    fold: Schedule = field(default_factory=lambda: Schedule(60, rate=3e-4, warmup=10, bfloat16=True))
    large_share: float = 0.6
    logit_shift: float = 2.5
    pictures: PictureTraining = field(default_factory=PictureTraining)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all stages of the segmentation training share."""

    config: SyntheticTraining
    work: Path
    plans: dict[str, Any]
    dataset: dict[str, Any]
    heatmap: HeatmapRule
    large_share: float = 0.0

    @property
    def pet(self) -> Intensity:
        """Statistics of the PET channel."""
        found = NnunetPlans.parse(self.plans, self.dataset).normalizations[1].intensity
        if found is None:
            raise ValueError("the plans of the small networks normalise the PET by its statistics; they have none")
        return found

    def patches(self, cases: Sequence[TrainingCase], *, augment: bool = True) -> Patches:
        """Batches of the given cases."""
        size = self.config.network
        sampling = Sampling(
            size.patch_zyx, size.batch_size if augment else 1, large_share=self.large_share, augment=augment
        )
        return Patches(cases, self.pet, self.heatmap, sampling)


def train_default_weights(
    out: Path,
    *,
    roles: Sequence[str] = ROLES,
    seed: int | None = None,
    config: SyntheticTraining | None = None,
    work: Path | None = None,
) -> None:
    """Train and write the default weights of the recipe `mesbah`.

    Args:
        out: Folder of the manifest; models of other roles that it holds are kept.
        roles: Of "tracer", "fdg", "psma".
        seed: Of everything random; None takes that of `config`.
        config: All numbers; the defaults are those of the shipped weights.
        work: Folder for phantoms, finished stages and learning curves, so that a run goes on where it was stopped; by
            default one in the system's folder for temporary files, named by the seed.

    Raises:
        ValueError: When a role is none of the three.
    """
    if unknown := set(roles) - set(ROLES):
        raise ValueError(f"the roles are {ROLES}; got {sorted(unknown)}")
    config = config or SyntheticTraining()
    config = config if seed is None else replace(config, seed=seed)
    work = work or Path(tempfile.gettempdir()) / f"petlesion-training-{config.seed}"
    work.mkdir(parents=True, exist_ok=True)
    if "tracer" in roles:
        states = train_tracer_folds(config.pictures, config.seed, config.n_folds, work)
        write_model(out, _entry("tracer", "mip_cnn", ("pet",), config), states)
    tracers = [tracer for tracer in Tracer if tracer.lower() in roles]
    if tracers:
        _train_segmentation(out, tracers, config, work)


def shifted(state: dict[str, torch.Tensor], logit_shift: float) -> dict[str, torch.Tensor]:
    """Weights whose difference of logits, lesion minus background, is `logit_shift` less at every voxel."""
    last = max((key for key in state if key.startswith("decoder.seg_layers.") and key.endswith(".bias")), key=_number)
    return state | {last: state[last] + torch.tensor([0.5, -0.5]) * logit_shift}


def _number(key: str) -> int:
    """The number of a segmentation layer: the last one is that of full resolution."""
    return int(key.split(".")[2])


def _train_segmentation(out: Path, tracers: Sequence[Tracer], config: SyntheticTraining, work: Path) -> None:
    ground = _ground(config, work)
    documents = (ground.plans, ground.dataset)
    seeds = [config.seed + i for i in range(config.n_cases + config.n_validation)]
    cases = {tracer: make_cases(work / "cases", tracer, seeds, documents) for tracer in Tracer}
    seen = {tracer: held[: config.n_cases] for tracer, held in cases.items()}
    unseen = {tracer: held[config.n_cases :] for tracer, held in cases.items()}
    both = [case for held in seen.values() for case in held]
    checks = [case for held in unseen.values() for case in held]
    base = _stage(ground, "pretrain", None, both, checks, config.pretrain)
    for tracer in tracers:
        role = tracer.lower()
        tuned = _stage(ground, role, base, seen[tracer], unseen[tracer], config.tune)
        late = replace(ground, large_share=config.large_share)
        settled = _stage(late, f"{role}_settled", tuned, seen[tracer], unseen[tracer], config.settle)
        more = make_cases(work / "cases", tracer, [MORE_SEEDS + s for s in seeds[: config.n_more]], documents)
        all_seen = [*seen[tracer], *more]
        finished = _stage(late, f"{role}_finished", settled, all_seen, unseen[tracer], config.finish)
        states = {}
        for fold in range(config.n_folds):
            own = [case for i, case in enumerate(all_seen) if i % config.n_folds != fold]
            state = _stage(late, f"{role}_fold_{fold}", finished, own, unseen[tracer], config.fold)
            states[fold] = shifted(state, config.logit_shift)
        write_model(out, _entry(role, "nnunet", ("ct", "pet", "clicks"), config), states, *documents)


def _ground(config: SyntheticTraining, work: Path) -> _Ground:
    """Plans with statistics of coarse phantoms; read from `work` where an earlier run wrote them."""
    path = work / "plans.json"
    if not path.exists():
        values = lesion_values(tuple(Tracer), [config.seed + i for i in range(config.n_statistics)])
        path.write_text(json.dumps(plans_json(config.network, values, "petlesion_phantoms"), indent=2))
    heatmap = MESBAH.stages[0].heatmap or HeatmapRule()
    return _Ground(config, work, json.loads(path.read_text()), dataset_json(config.n_cases), heatmap)


def _stage(
    ground: _Ground,
    name: str,
    start: dict[str, torch.Tensor] | None,
    cases: Sequence[TrainingCase],
    checks: Sequence[TrainingCase],
    schedule: Schedule,
) -> dict[str, torch.Tensor]:
    """Train one stage from `start` (or from scratch) and give its weights; a finished stage is read from disk."""
    path = ground.work / f"{name}.pt"
    if path.exists():
        held: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
        return held
    salt = sum(name.encode())
    network = build(lambda: network_from_plans(ground.plans, CONFIGURATION, 3, 2), ground.config.seed + salt)
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if start is not None:
        network.load_state_dict(start, strict=False)
    observer = _Curve(ground.work / f"{name}.csv", network, _fixed_batches(ground, checks), path.with_suffix(".part"))
    rng = np.random.default_rng([ground.config.seed, salt])
    train(network, ground.patches(cases).batch, dice_and_cross_entropy, schedule, rng, observer)
    torch.save(bare_state(network), path)
    return bare_state(network)


def bare_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights, each tensor under its first name only, as models are written."""
    names = set(canonical_keys(network).values())
    state = network.state_dict()
    return {key: state[key].detach().clone().contiguous() for key in sorted(names)}


def _fixed_batches(ground: _Ground, cases: Sequence[TrainingCase]) -> list[Batch]:
    """The same patches of cases that are not trained on, for the learning curve."""
    rng = np.random.default_rng(1)
    source = ground.patches(cases, augment=False)
    return [source.batch(rng) for _ in range(ground.config.n_checks)]


@dataclass(slots=True)
class _Curve:
    """Writes the learning curve, and the weights so far, every `REPORT_EVERY` steps."""

    path: Path
    network: nn.Module
    checks: Sequence[Batch]
    partial: Path
    losses: list[float] = field(default_factory=list)

    def __call__(self, step: int, loss: float) -> None:
        self.losses.append(loss)
        if step % REPORT_EVERY and step != 1:
            return
        score = patch_dice(self.network, self.checks)
        row = (step, round(float(np.mean(self.losses)), 4), round(score, 4))
        LOG.info("%s: step %d, loss %.4f, validation Dice %.4f", self.path.stem, *row)
        with self.path.open("a" if step > 1 else "w", newline="") as file:
            csv.writer(file).writerows([("step", "loss", "validation_dice")] * (step == 1) + [row])
        torch.save(bare_state(self.network), self.partial)
        self.losses.clear()


@torch.no_grad()
def patch_dice(network: nn.Module, batches: Sequence[Batch]) -> float:
    """Dice of all lesion voxels of the batches together; the network is left in training mode."""
    network.eval()
    both = total = 0
    for image, truth in batches:
        output = network(image)
        found = output[:, 1] > output[:, 0]
        both += int((found & (truth == 1)).sum())
        total += int(found.sum()) + int((truth == 1).sum())
    network.train()
    return 2 * both / max(total, 1)


def _entry(role: str, architecture: Architecture, channels: tuple[str, ...], config: SyntheticTraining) -> ModelEntry:
    nnunet = architecture == "nnunet"
    return ModelEntry(
        system=MESBAH.name,
        role=role,
        architecture=architecture,
        channels=channels,
        licence=LICENCE,
        source=f"petlesion train --recipe mesbah --role {role} --synthetic --seed {config.seed}",
        training_data="synthetic phantoms of petlesion; no patient's images; not for clinical use",
        synthetic=True,
        configuration=CONFIGURATION if nnunet else "",
        plans=f"mesbah/{role}/plans.json" if nnunet else None,
        dataset=f"mesbah/{role}/dataset.json" if nnunet else None,
    )
