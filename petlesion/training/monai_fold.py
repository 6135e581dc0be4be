# SPDX-License-Identifier: Apache-2.0
"""One fold of one member of a recipe whose networks are MONAI's, trained on a prepared data set.

OUT/<recipe>_<role>/plans.json          `MonaiPlans`: what `petlesion weights import` reads beside the weights
OUT/<recipe>_<role>/fold_K.pth          the weights with the best Dice on the cases that the fold left out
OUT/<recipe>_<role>/fold_K.csv          the learning curve
OUT/<recipe>_<role>/fold_K_savepoint.pt from where a killed training goes on
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from petlesion.drafts import staged
from petlesion.inference.ensemble import predict
from petlesion.inference.monai_networks import LesionLogit, monai_network
from petlesion.inference.monai_published import PLANS, recipe_plans
from petlesion.inference.plan import InferencePlan
from petlesion.inference.workplace import Averaging
from petlesion.metrics import dice
from petlesion.training.layouts import DataError
from petlesion.training.loop import Schedule, build, seeded, train
from petlesion.training.losses import deep_supervision, generalized_dice_focal
from petlesion.training.monai_curve import Curve, Row
from petlesion.training.monai_patches import MASK, MonaiPatches
from petlesion.training.savepoint import Savepoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from petlesion.inference.monai_plans import MonaiPlans
    from petlesion.recipe import Member, Recipe, Stage
    from petlesion.schedule import MonaiTraining
    from petlesion.training.losses import Loss
    from petlesion.training.monai_dataset import MonaiDataset

LOSSES: dict[str, Loss] = {
    "generalized_dice_focal": generalized_dice_focal,
    "dice_cross_entropy": deep_supervision,  # of one sigmoid output, and of all outputs where there are several
}


@dataclass(frozen=True, slots=True)
class MonaiFold:
    """The training of a fold.

    Attributes:
        recipe: The system; a smaller one is a `dataclasses.replace` of its members.
        role: The member's role.
        fold: Number of the fold.
        dataset: The prepared data set.
        out: Folder of all trainings.
        seed: Of initial weights and patches.
        device: Where the network is trained.
        iterations: Steps of an epoch; None takes as many as give one patch for each training case.
        save_every: Epochs between savepoints.
        workers: Threads that cut patches while the network takes its steps; 0 for none.

    Raises:
        UsageError: When the recipe has no such member.
    """

    recipe: Recipe
    role: str
    fold: int
    dataset: MonaiDataset
    out: Path
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    iterations: int | None = None
    save_every: int = 10
    workers: int = 0

    def __post_init__(self) -> None:
        self.recipe.placed(self.role)

    @property
    def stage(self) -> Stage:
        """The member's stage."""
        return self.recipe.placed(self.role)[0]

    @property
    def member(self) -> Member:
        """The recipe's member."""
        return self.recipe.placed(self.role)[1]

    @property
    def plans(self) -> MonaiPlans:
        """Network and grid."""
        return recipe_plans(self.member, self.stage)

    @property
    def folder(self) -> Path:
        """Where the member's folds are kept."""
        return self.out / f"{self.recipe.name}_{self.role}"

    @property
    def weights(self) -> Path:
        """The weights with the best validation Dice."""
        return self.folder / f"fold_{self.fold}.pth"

    @property
    def savepoint(self) -> Path:
        """From where a killed training goes on."""
        return self.folder / f"fold_{self.fold}_savepoint.pt"

    def train(self) -> Curve:
        """Train the fold, or go on where a killed run of it has a savepoint.

        Raises:
            DataError: When the fold has nothing to train or to validate on, a mask of the first stage is missing, or
                the folder holds another network's plans.
            SavepointError: When the savepoint is of another run.
        """
        training = self._training()
        split = self.dataset.cases_of(self.fold, with_healthy=training.with_healthy)
        for name in (*split["train"], *split["val"]) if MASK in self.stage.channels else ():
            self.dataset.mask(name)  # one that is missing is named before the first step
        self._keep_plans()
        patches = MonaiPatches(
            self.dataset,
            split["train"],
            self.stage.channels,
            training,
            training.patch_xyz or self.plans.network.patch_xyz,
            self.device,
            self.workers,
        )
        steps = self.iterations or math.ceil(len(split["train"]) / training.batch_size)
        network = build(self.network, self._seed()).to(self.device)
        watch = _Watch(self, network, split["val"], steps, training)
        with seeded(self._seed()):  # of dropout
            train(
                *(network, patches.batch, LOSSES[training.loss], self._schedule(training, steps)),
                *(np.random.default_rng([self.seed, self.fold]), watch),
                savepoint=Savepoint(self.savepoint, steps * self.save_every),
            )
        return watch.curve

    def network(self) -> nn.Module:
        """The member's network with torch's own random weights."""
        return monai_network(self.plans.network, self.plans.n_channels)

    def load(self) -> nn.Module:
        """The network with the best weights, ready for `predict_case`.

        Raises:
            DataError: When the fold was not trained.
        """
        if not self.weights.is_file():
            raise DataError(f"{self.recipe.name}/{self.role} was not trained: {self.weights} is missing; train fold "
                            f"{self.fold} first")  # fmt: skip
        network = build(self.network, self._seed())
        network.load_state_dict(torch.load(self.weights, map_location="cpu", weights_only=True))
        return network.to(self.device).eval()

    def predict_case(self, network: nn.Module, name: str) -> NDArray[np.float32]:
        """The answer of the member's network by the recipe's sliding window, positive in lesions, (X, Y, Z)."""
        image = [np.asarray(channel, np.float32) for channel in self.dataset.case(name).image]
        if MASK in self.stage.channels:
            image.append(self.dataset.mask(name).astype(np.float32))
        answer = predict(
            *({self.fold: LesionLogit(network).eval()}, np.stack(image), self.plans.patch_zyx),
            InferencePlan((self.fold,), ((),), self.stage.tile_step, ""),
            device=self.device,
            averaging=Averaging(self.stage.window, self.stage.mean),
        )
        network.to(self.device)  # a lack of memory moves it to the host
        return answer.lead_zyx

    def _training(self) -> MonaiTraining:
        if self.member.training is None:
            raise DataError(f"{self.recipe.name}/{self.role} is not trained here: its recipe says not how")
        return self.member.training

    def _seed(self) -> int:
        return int(np.random.default_rng([self.seed, self.fold]).integers(2**31))

    def _schedule(self, training: MonaiTraining, steps: int) -> Schedule:
        return Schedule(
            steps * training.epochs,
            training.rate,
            warmup=0,
            weight_decay=training.weight_decay,
            clip=math.inf,
            bfloat16=self.device.type == "cuda",
            optimizer=training.optimizer,
            decay=training.decay,
        )

    def _keep_plans(self) -> None:
        """Write plans.json, or hold it against that of the folds before."""
        path, document = self.folder / PLANS, json.loads(json.dumps(self.plans.document()))
        if path.is_file():
            if json.loads(path.read_text(encoding="utf-8")) != document:
                raise DataError(f"folds of one member share a network; {path} has another; give another --out")
            return
        with staged(path) as draft:
            draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


@dataclass(slots=True)
class _Watch:
    """Keeps the curve, validates, and keeps the best weights; called after each step."""

    fold: MonaiFold
    network: nn.Module
    names: Sequence[str]
    steps: int
    training: MonaiTraining
    losses: list[float] = field(default_factory=list)
    curve: Curve = field(init=False)

    def __post_init__(self) -> None:
        path = self.fold.folder / f"fold_{self.fold.fold}.csv"
        self.curve = Curve.read(path) if self.fold.savepoint.is_file() else Curve(path)

    def __call__(self, step: int, loss: float) -> None:
        """Of step 1, 2, ... and its loss."""
        self.losses.append(loss)
        if step % self.steps:
            return
        epoch = step // self.steps
        due = epoch % self.training.validate_every == 0 or epoch == self.training.epochs
        found = self._validate() if due else None
        if found is not None and found >= self.curve.best(before=epoch):
            with staged(self.fold.weights) as draft:
                torch.save({key: tensor.cpu() for key, tensor in self.network.state_dict().items()}, draft)
        self.curve = self.curve.with_row(Row(epoch, float(np.mean(self.losses)), found))
        self.losses.clear()

    def _validate(self) -> float:
        """Mean Dice over the left-out cases."""
        found = []
        for name in self.names:
            lead = self.fold.predict_case(self.network, name)
            found.append(dice(lead > 0, np.asarray(self.fold.dataset.case(name).truth) > 0))
        self.network.train()
        return float(np.mean(found))
