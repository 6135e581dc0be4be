# SPDX-License-Identifier: Apache-2.0
"""One fold of a prepared data set, made ready to be trained: everything that can be refused is refused here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from petlesion.inference.checkpoints import read_weights
from petlesion.inference.networks import network_from_plans
from petlesion.limits import UsageError
from petlesion.recipes import MESBAH
from petlesion.training.dataset import PLANS_NAME, dataset_name
from petlesion.training.layouts import DataError
from petlesion.training.plans import CONFIGURATION, LABELS
from petlesion.training.pretrained import initial_state
from petlesion.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from petlesion.recipe import Recipe

TRAINERS = {
    ("mesbah", "fdg"): "PetlesionTrainerFDG",
    ("mesbah", "psma"): "PetlesionTrainerPSMA",
    ("lesion_tracer", "all"): "PetlesionTrainerLesionTracer",
    ("alloula", "all"): "PetlesionTrainerAlloula",
    ("baseline", "all"): "PetlesionTrainerBaseline",
}
"""The trainer of a recipe's role; they stand in `trainers`, which imports nnU-Net."""
TO_GO_ON_FROM = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")


@dataclass(frozen=True, slots=True)
class FoldTraining:
    """A fold to be trained.

    Attributes:
        data: What `petlesion prepare` wrote: the folder of nnUNet_raw and nnUNet_preprocessed.
        results: nnU-Net's folder of results.
        role: A role of the recipe, such as "fdg".
        fold: Number of the fold.
        resume: Go on from the fold's checkpoint, where there is one.
        changes: Fields of `TrainingSettings` that are not as published.
        recipe: The recipe.
    """

    data: Path
    results: Path
    role: str
    fold: int
    resume: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe = MESBAH

    @property
    def prepared(self) -> Path:
        """nnU-Net's preprocessed data set: that of the role, else that of both tracers.

        Raises:
            DataError: When there is neither.
        """
        names = dict.fromkeys(dataset_name(self.recipe.name, role) for role in (self.role, None))
        for name in names:
            folder = self.data / "nnUNet_preprocessed" / name
            if (folder / f"{PLANS_NAME}.json").is_file():
                return folder
        raise DataError(
            f"a training needs a prepared data set, {' or '.join(names)}; {self.data} does not hold it; "
            f"run petlesion prepare --recipe {self.recipe.name} --role {self.role} --out {self.data} first"
        )

    @property
    def plans(self) -> str:
        """nnU-Net's name of the plans."""
        return PLANS_NAME

    @property
    def trainer(self) -> str:
        """Name of the trainer's class."""
        return TRAINERS[self.recipe.name, self.role]

    @property
    def model(self) -> Path:
        """The model's folder as nnU-Net names it: what `petlesion weights import` takes."""
        return self.results / self.prepared.name / f"{self.trainer}__{PLANS_NAME}__{CONFIGURATION}"

    @property
    def folder(self) -> Path:
        """The fold's folder: checkpoints, settings, log."""
        return self.model / f"fold_{self.fold}"

    def make_ready(self) -> TrainingSettings:
        """Check the fold and write its settings.

        Returns:
            The settings: as published, or those that the fold was begun with, with the changes.

        Raises:
            DataError: When the data set is not prepared to its end, or has no such fold.
            UsageError: When the fold is there already and is not to be gone on with.
            WeightsError: When the pretrained weights do not fit.
        """
        self._check_data()
        begun = [name for name in TO_GO_ON_FROM if (self.folder / name).exists()]
        if begun and not self.resume:
            raise UsageError(
                f"{self.folder} holds a training ({begun[0]}); give --resume to go on with it, or another --out"
            )
        held = TrainingSettings.load(self.folder) if begun else None
        settings = replace(held or TrainingSettings.of(self.recipe.nnunet_training, self.role), **self.changes)
        if settings.pretrained and not begun:
            self._check_pretrained(Path(settings.pretrained))
        settings.save(self.folder)
        return settings

    def _check_data(self) -> None:
        splits = json.loads((self.prepared / "splits_final.json").read_text(encoding="utf-8"))
        if not 0 <= self.fold < len(splits):
            raise DataError(f"{self.prepared.name} has the folds 0 to {len(splits) - 1}; got {self.fold}")
        cases = self.prepared / f"{PLANS_NAME}_{CONFIGURATION}"
        split = splits[self.fold]
        if missing := [name for name in (*split["train"], *split["val"]) if not (cases / f"{name}.pkl").exists()]:
            raise DataError(
                f"{len(missing)} cases are not prepared yet, {missing[0]} among them; run petlesion prepare to its end"
            )

    def _check_pretrained(self, path: Path) -> None:
        plans = json.loads((self.prepared / f"{PLANS_NAME}.json").read_text(encoding="utf-8"))
        n_channels = len(plans["foreground_intensity_properties_per_channel"])
        with torch.device("meta"):
            network = network_from_plans(plans, CONFIGURATION, n_channels, len(LABELS))
        initial_state(read_weights(path), network, str(path))
