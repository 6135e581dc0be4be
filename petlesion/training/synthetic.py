# SPDX-License-Identifier: Apache-2.0
"""The shipped default weights: small networks, phantoms around real organ maps, real sarcomas, hours on two CPU cores.

What comes out is called synthetic and is not for clinical use.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from petlesion.case import Tracer
from petlesion.inference.manifest import ModelEntry
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.weights import ModelStore, write_model
from petlesion.recipes import MESBAH
from petlesion.training.configuration import LICENCE, RealData, SyntheticTraining, split_sources
from petlesion.training.learners import Learner
from petlesion.training.organ_head import lesion_rows
from petlesion.training.pictures import Album, make_pictures
from petlesion.training.plans import CONFIGURATION
from petlesion.training.stages import Ground, bare_state, fresh_network, run_stage, shifted, work_folder
from petlesion.training.start import State, restated, with_rows
from petlesion.training.studies import patient_folds
from petlesion.training.tracer_folds import Pictures, train_tracer_folds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from petlesion.inference.manifest import Architecture

ROLES = ("tracer", "fdg", "psma")


def train_default_weights(
    out: Path,
    *,
    roles: Sequence[str] = ROLES,
    seed: int | None = None,
    config: SyntheticTraining | None = None,
    real: RealData | None = None,
    work: Path | None = None,
) -> None:
    """Train and write the default weights of the recipe `mesbah`.

    Args:
        out: Folder of the manifest; models of other roles that it holds are kept.
        roles: Of "tracer", "fdg", "psma".
        seed: Of everything random; None takes that of `config`.
        config: All numbers; the defaults are those of the shipped weights.
        real: Organ maps, clicks and studies; None draws phantoms freely.
        work: Folder for cases, finished stages and learning curves, so that a run goes on where it was stopped; by
            default one in the system's folder for temporary files, named by the seed.

    Raises:
        ValueError: When a role is none of the three.
        CaseError: When a real study or an organ map cannot be read.
    """
    if unknown := set(roles) - set(ROLES):
        raise ValueError(f"the roles are {ROLES}; got {sorted(unknown)}")
    config, real = config or SyntheticTraining(), real or RealData()
    config = config if seed is None else replace(config, seed=seed)
    work = work_folder(work, config)
    if "tracer" in roles:
        states = _train_tracer(config, real, work)
        write_model(out, _entry("tracer", "mip_cnn", ("pet",), config, real), states)
    tracers = [tracer for tracer in Tracer if tracer.lower() in roles]
    if tracers:
        _train_segmentation(out, tracers, config, real, work)


def _train_tracer(config: SyntheticTraining, real: RealData, work: Path) -> dict[int, State]:
    how = config.pictures
    fdg, psma = (split_sources(config, real, tracer)[0] for tracer in (Tracer.FDG, Tracer.PSMA))
    drawn = [source for source in fdg if source.images is None]
    albums = {
        "fdg": Album(drawn[: how.n_phantoms], how.views),
        "psma": Album(psma[: how.n_phantoms], how.views),
        "bulky": Album(drawn[: how.n_bulky], how.bulky_views, bulky=True),
        "real": Album([source for source in fdg if source.images is not None], how.views),
    }
    pictures = Pictures(*(make_pictures(work / "pictures" / f"{name}.npy", album) for name, album in albums.items()))
    start = None
    if real.start is not None:
        store = ModelStore.open(real.start)
        start = {key: tensor.float() for key, tensor in store.load(store.entry(MESBAH.name, "tracer"), 0).items()}
    return train_tracer_folds(how, pictures, config.seed, config.n_folds, work, start)


def _train_segmentation(
    out: Path, tracers: Sequence[Tracer], config: SyntheticTraining, real: RealData, work: Path
) -> None:
    ground = Ground.of(config, real, work)
    documents = (ground.plans, ground.dataset)
    for tracer in tracers:
        role = tracer.lower()
        learner = _learner(ground, role)
        seen, unseen = (ground.cases(sources) for sources in split_sources(config, real, tracer))
        tuned = run_stage(ground, learner, role, _start(ground, real, role), (seen, unseen), config.tune)
        states = {}
        for fold, left_out in enumerate(patient_folds(seen, config.n_folds)):
            own = {source: case for source, case in seen.items() if source not in left_out}
            state = run_stage(ground, learner, f"{role}_fold_{fold}", tuned, (own, unseen), config.fold)
            states[fold] = shifted(lesion_rows(state), config.logit_shift)
        write_model(out, _entry(role, "nnunet", ("ct", "pet", "clicks"), config, real), states, *documents)


def _start(ground: Ground, real: RealData, role: str) -> State:
    """Weights that a tracer's training starts from: those of a store, or of a training on both tracers."""
    if real.start is None:
        both = [split_sources(ground.config, real, tracer) for tracer in Tracer]
        seen, unseen = ([s for part in both for s in part[i]] for i in (0, 1))
        cases = (ground.cases(seen), ground.cases(unseen))
        return run_stage(ground, _learner(ground, role), "pretrain", None, cases, ground.config.pretrain)
    store = ModelStore.open(real.start)
    entry = store.entry(MESBAH.name, role)
    held = {key: tensor.float() for key, tensor in store.load(entry, 0).items()}
    documents = (store.plans(entry), store.dataset(entry))
    old, new = (
        [one.intensity for one in NnunetPlans.parse(*pair).normalizations]
        for pair in (documents, (ground.plans, ground.dataset))
    )
    return with_rows(restated(held, old, new), bare_state(fresh_network(ground, _learner(ground, role), role)))


def _learner(ground: Ground, role: str) -> Learner:
    """The learner of one of mesbah's roles: the shared patches as they are."""
    return Learner(MESBAH, *MESBAH.placed(role), ground.plans, ground.dataset, ground.intensities)


def _entry(
    role: str, architecture: Architecture, channels: tuple[str, ...], config: SyntheticTraining, real: RealData
) -> ModelEntry:
    nnunet = architecture == "nnunet"
    return ModelEntry(
        system=MESBAH.name,
        role=role,
        architecture=architecture,
        channels=channels,
        licence=LICENCE,
        source=f"petlesion train --recipe mesbah --role {role} --synthetic --seed {config.seed}",
        training_data=real.described(with_studies=role != "psma"),
        synthetic=True,
        configuration=CONFIGURATION if nnunet else "",
        plans=f"mesbah/{role}/plans.json" if nnunet else None,
        dataset=f"mesbah/{role}/dataset.json" if nnunet else None,
    )
