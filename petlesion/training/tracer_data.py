# SPDX-License-Identifier: Apache-2.0
"""The tracer networks trained on studies of one's own: pictures of both tracers, one study of each patient."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from petlesion.case import Tracer
from petlesion.inference.manifest import ModelEntry
from petlesion.inference.tracer import WINDOW
from petlesion.inference.weights import write_model
from petlesion.recipes import MESBAH
from petlesion.training.layouts import DataError, find_studies
from petlesion.training.pictures import Album, make_pictures
from petlesion.training.raw_case import read_case
from petlesion.training.splits import patient_of
from petlesion.training.studies import Study
from petlesion.training.tracer_folds import Pictures, PictureTraining, train_tracer_folds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from petlesion.training import layouts

LICENCE = "the terms of the studies it was trained on"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A study on disk as a source of pictures."""

    tracer: Tracer
    seed: int
    files: layouts.Study

    def picture_study(self, _rng: np.random.Generator) -> Study:
        """Read it.

        Raises:
            CaseError: When an image cannot be read.
        """
        case, truth = read_case(self.files)
        return Study(self.tracer, case.ct_hu, case.pet_suv, truth, None)


def train_tracer_on_studies(
    data: Path,
    out: Path,
    work: Path,
    *,
    seed: int = 0,
    n_folds: int = 5,
    config: PictureTraining | None = None,
) -> None:
    """Train and write the tracer networks; pictures and finished stages are kept in `work`.

    Args:
        data: Folder of studies in any layout of `layouts`.
        out: Store to write into.
        work: Folder to go on from where it was stopped.
        seed: Of initial weights, views and batches.
        n_folds: Number of networks; each leaves out another share of the patients.
        config: All numbers.

    Raises:
        DataError: When a study does not say its tracer, or a tracer has fewer patients than there are folds.
    """
    config = config or PictureTraining()
    sources = {tracer: one_of_each_patient(find_studies(data), tracer, seed) for tracer in Tracer}
    for tracer, held in sources.items():
        if len(held) < n_folds:
            raise DataError(
                f"{n_folds} folds need as many patients of each tracer; {data} has {len(held)} with {tracer}: add some"
            )
    made = {
        tracer: make_pictures(work / "pictures" / f"{tracer}.npy", Album(held, config.views))
        for tracer, held in sources.items()
    }
    none = np.zeros((0, config.views, WINDOW, WINDOW), np.float16)
    pictures = Pictures(made[Tracer.FDG], made[Tracer.PSMA], none, none)
    states = train_tracer_folds(config, pictures, seed, n_folds, work)
    entry = ModelEntry(
        system=MESBAH.name,
        role="tracer",
        architecture="mip_cnn",
        channels=("pet",),
        licence=LICENCE,
        source=f"petlesion train --recipe mesbah --role tracer --data {data.name} --seed {seed}",
        training_data=f"{sum(map(len, sources.values()))} studies of {data.name}",
        synthetic=False,
        configuration="",
        plans=None,
        dataset=None,
    )
    write_model(out, entry, states)


def one_of_each_patient(
    studies: Iterable[layouts.Study], tracer: Tracer, seed: int, patients: Mapping[str, str] = MappingProxyType({})
) -> list[FileSource]:
    """The first study of each patient with a tracer, so that no patient is on both sides of a fold.

    Raises:
        DataError: When a study does not say its tracer.
    """
    held = sorted(studies, key=lambda study: study.name)
    if unsaid := [study.name for study in held if study.tracer is None]:
        raise DataError(
            f"a study says its tracer by its name (fdg_..., psma_...) or its truth.json; {', '.join(unsaid[:5])} does "
            "not: rename it"
        )
    first: dict[str, layouts.Study] = {}
    for study in held:
        if study.tracer is tracer:
            first.setdefault(patient_of(study.name, patients), study)
    return [FileSource(tracer, seed + i, study) for i, study in enumerate(first.values())]
