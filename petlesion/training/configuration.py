# SPDX-License-Identifier: Apache-2.0
"""The numbers of a training of the default weights, and what of real patients it uses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from petlesion.case import Tracer
from petlesion.training.loop import Schedule
from petlesion.training.patches import Sampling
from petlesion.training.plans import SmallNetwork
from petlesion.training.studies import Source, map_sources, study_sources
from petlesion.training.tracer_folds import PictureTraining

if TYPE_CHECKING:
    from pathlib import Path

SCANNERS_MM = ((3.0, 2.0364, 2.0364), (3.0, 4.07, 4.07), (2.0, 4.07, 4.07), (3.27, 5.47, 5.47), (3.27, 2.73, 2.73))
"""Voxels (z, y, x) of the scanners of the public studies."""

LICENCE = "Apache-2.0"
"""Of the small weights: the repository's."""

SEED_STEP = 1000  # between the phantoms of one organ map; there are fewer maps


@dataclass(frozen=True, slots=True)
class SyntheticTraining:
    """All numbers of a run; with the seed they fix its result on one kind of machine.

    Attributes:
        seed: Of phantoms, initial weights and batches. Phantom seeds are `seed` + 0, 1, ...; see `benchmarks` for those
            that are kept for testing.
        n_cases: Organ maps of each tracer, or phantoms drawn freely where there are no maps.
        phantoms_per_map: Phantoms drawn around each map that is trained on: other lesions, uptake and noise.
        n_validation: Of these maps or phantoms, how many are left out of training, for the curve and for choices.
        free_phantoms: Of each tracer, drawn freely beside those around maps, so that bodies differ more than the maps'.
        study_validation: Of the real studies, how many are left out likewise.
        study_repeats: How often each real study counts among the cases of its tracer.
        n_checks: Patches of the validation cases for each point of the curve.
        n_statistics: Cases of each tracer for the intensity statistics.
        n_folds: Networks of an ensemble; each leaves out another share of the cases.
        network: The segmentation network.
        pretrain: Both tracers together, unless the training starts from given weights.
        tune: Each tracer, from there.
        fold: Each fold, from its tracer's network, down to a rate of zero.
        system: Each ensemble of the systems beside mesbah, from scratch.
        system_fold: Each fold of these, from there.
        sampling: How patches are drawn.
        logit_shift: Taken from the lesion's logit of every fold, half from each row of the head: lesions fill more of
            the patches than of a body. Chosen on validation cases.
        pictures: The tracer networks.
    """

    seed: int = 20260
    n_cases: int = 129
    phantoms_per_map: int = 5
    n_validation: int = 5
    free_phantoms: int = 130
    study_validation: int = 3
    study_repeats: int = 3
    n_checks: int = 60
    n_statistics: int = 12
    n_folds: int = 5
    network: SmallNetwork = field(default_factory=lambda: SmallNetwork(features=(8, 16, 32, 48, 64)))
    pretrain: Schedule = field(default_factory=lambda: Schedule(6000, rate=3e-3, horizon=12000, bfloat16=True))
    tune: Schedule = field(default_factory=lambda: Schedule(16000, rate=2e-3, horizon=16640, bfloat16=True))
    fold: Schedule = field(default_factory=lambda: Schedule(120, rate=2e-4, warmup=10, bfloat16=True))
    system: Schedule = field(default_factory=lambda: Schedule(2000, rate=2e-3, horizon=2200, bfloat16=True))
    system_fold: Schedule = field(default_factory=lambda: Schedule(120, rate=3e-4, warmup=10, bfloat16=True))
    sampling: Sampling = field(
        default_factory=lambda: Sampling(
            lesion_share=0.5,
            large_share=0.4,
            hot_share=0.4,
            edge_share=0.2,
            without_clicks=0.4,
            scanners_mm=SCANNERS_MM,
            misalign=0.1,
        )
    )
    logit_shift: float = 0.0
    pictures: PictureTraining = field(default_factory=PictureTraining)


@dataclass(frozen=True, slots=True)
class RealData:
    """What of real patients a training may use; without any of it, phantoms are drawn freely.

    Attributes:
        organ_maps: Folder of `<tracer>_<patient>_<date>.nii.gz`, around which phantoms are drawn.
        clicks: Folder of the click files of the same names, which tell where tumours lay.
        studies: Folder of real FDG studies, one folder each; see `studies.Source`.
        start: Store whose fold 0 of each role the training starts from, instead of its own pretraining.
    """

    organ_maps: Path | None = None
    clicks: Path | None = None
    studies: Path | None = None
    start: Path | None = None

    def described(self, *, with_studies: bool) -> str:
        """What the weights' manifest says of their training data; `with_studies` where the networks see FDG."""
        maps = " (most around real organ maps)" if self.organ_maps else ""
        studies = " and real soft-tissue sarcomas" if self.studies and with_studies else ""
        return f"synthetic phantoms of petlesion{maps}{studies}; not for clinical use"


def split_sources(config: SyntheticTraining, real: RealData, tracer: Tracer) -> tuple[list[Source], list[Source]]:
    """Sources that are trained on, and those of validation; what is kept out for tests is in neither."""
    if real.organ_maps is None:
        found = [Source(tracer, config.seed + i) for i in range(config.n_cases)]
    else:
        found = map_sources(real.organ_maps, real.clicks, tracer, config.seed, kept_out=False)[: config.n_cases]
    seen, unseen = found[config.n_validation :], found[: config.n_validation]
    if real.organ_maps is not None:
        seen = [replace(s, seed=s.seed + SEED_STEP * i) for i in range(config.phantoms_per_map) for s in seen]
        unused = config.seed + SEED_STEP * config.phantoms_per_map
        seen += [Source(tracer, unused + i) for i in range(config.free_phantoms)]
    if real.studies is not None and tracer is Tracer.FDG:
        studies = study_sources(real.studies, config.seed, kept_out=False)
        seen, unseen = seen + studies[config.study_validation :], unseen + studies[: config.study_validation]
    return seen, unseen
