# SPDX-License-Identifier: Apache-2.0
"""Import of state dicts for MONAI's networks: published ones, and those that `petlesion train` leaves.

It is done once, outside the container; afterwards nothing is unpickled any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.inference.checkpoints import PREFIXES, canonical_weights, read_weights
from petlesion.inference.manifest import JSON_BYTES, ModelEntry, WeightsError, parse_json
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.networks import meta_monai_network
from petlesion.inference.nnunet_plans import PlansError
from petlesion.inference.published import UNSAID, Imported, fold_files
from petlesion.inference.weights import write_model
from petlesion.recipes import SYSTEMS

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from petlesion.recipe import Member, Stage

PLANS = "plans.json"


def import_monai_folder(  # noqa: PLR0913 - what a manifest must say, each by name
    src: Path,
    *,
    member: Member,
    stage: Stage,
    recipe_name: str,
    role: str,
    out: Path,
    licence: str,
    source: str,
    training_data: str = UNSAID,
    synthetic: bool = False,
    half: bool = True,
) -> Imported:
    """Import a folder of state dicts saved by `torch.save`, one .pth file for each fold.

    A plans.json beside them, as `petlesion train` writes it, takes the place of the recipe's full-size network.

    Args:
        src: The folder.
        member: The member of the recipe that they are for.
        stage: Its stage.
        recipe_name: The recipe that uses it, such as "safdari".
        role: The member's role, such as "stage1".
        out: The store's folder; its manifest is made or extended.
        licence: Licence of the weights.
        source: Where they come from.
        training_data: What they were trained on.
        synthetic: Whether that is synthetic images.
        half: Whether tensors of two or more dimensions are stored as fp16.

    Returns:
        The entry, and a note where plans.json made the network.

    Raises:
        WeightsError: When a file is missing or damaged, plans.json is of another system, or a key is missing,
            unexpected or of another shape; names file and key, and the member that the weights fit instead.
            Nothing is changed under `out`.
    """
    plans, notes = _plans(src, member, stage)
    entry = ModelEntry(
        system=recipe_name,
        role=role,
        architecture="monai",
        channels=stage.channels,
        licence=licence,
        source=source,
        training_data=training_data,
        synthetic=synthetic,
        mirror_axes=(),
    )
    network = meta_monai_network(plans, entry)
    states = _Folds(fold_files(src), network, f"{recipe_name}/{role}")
    return Imported(write_model(out, entry, states, plans.document(), half=half), notes)


def recipe_plans(member: Member, stage: Stage) -> MonaiPlans:
    """The plans of a member at the recipe's size.

    Raises:
        WeightsError: When its network is none of MONAI's.
    """
    if member.network is None or stage.grid is None:
        raise WeightsError(f"state dicts alone are imported for MONAI's networks; {member.role} is not one of them")
    return MonaiPlans(member.network, stage.grid)


@dataclass(frozen=True, slots=True)
class _Folds(Mapping[int, dict[str, "torch.Tensor"]]):
    """The checked weights of each fold, read when they are asked for."""

    files: Mapping[int, Path]
    network: nn.Module
    name: str

    def __getitem__(self, fold: int) -> dict[str, torch.Tensor]:
        path = self.files[fold]
        weights = read_weights(path)
        try:
            return canonical_weights(weights, self.network, str(path))
        except WeightsError as error:
            hint = f"; they are those of {fit}" if (fit := _fitting(weights)) else ""
            raise WeightsError(f"weights of {self.name} are wanted: {error}{hint}") from error

    def __iter__(self) -> Iterator[int]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def _plans(src: Path, member: Member, stage: Stage) -> tuple[MonaiPlans, tuple[str, ...]]:
    """The recipe's plans, or those of plans.json, with a note."""
    own, path = recipe_plans(member, stage), src / PLANS
    if not path.is_file():
        return own, ()
    try:
        with path.open("rb") as file:
            plans = MonaiPlans.parse(parse_json(file.read(JSON_BYTES + 1), str(path)))
    except (OSError, PlansError) as error:
        raise WeightsError(f"{path} cannot be used: {error}") from error
    seen = (plans.network.name, plans.network.outputs, plans.grid.orientation, plans.n_channels)
    wanted = (own.network.name, own.network.outputs, own.grid.orientation, own.n_channels)
    if seen != wanted:
        raise WeightsError(
            f"network, outputs, orientation and channels of {member.role} are {wanted}; those of {path} are {seen}: "
            "they are of another role or system"
        )
    if json.dumps(plans.document(), sort_keys=True) == json.dumps(own.document(), sort_keys=True):
        return plans, ()
    return plans, (f"the network is that of {path.name}, not the recipe's full size",)


def _fitting(weights: Mapping[str, torch.Tensor]) -> str:
    """The members of the published systems whose full-size network has these keys and shapes; "" for none."""
    shapes = {PREFIXES.sub("", key): tensor.shape for key, tensor in weights.items()}
    found = [
        f"{recipe.name}/{member.role}"
        for recipe in SYSTEMS
        for stage in recipe.stages
        for member in stage.members
        if member.network is not None and _shapes(member, stage) == shapes
    ]
    return " or ".join(found)


def _shapes(member: Member, stage: Stage) -> dict[str, torch.Size]:
    entry = ModelEntry("any", member.role, "monai", stage.channels, "", "", "", synthetic=False)
    network = meta_monai_network(recipe_plans(member, stage), entry)
    return {key: tensor.shape for key, tensor in network.state_dict().items()}
