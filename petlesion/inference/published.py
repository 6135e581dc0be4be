# SPDX-License-Identifier: Apache-2.0
"""Import of published models: nnU-Net's model folders and plain state dicts become files of a `ModelStore`.

It is done once, outside the container; afterwards nothing is unpickled any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from petlesion.inference.checkpoints import (
    PREFIXES,
    Training,
    canonical_weights,
    read_training,
    read_weights,
)
from petlesion.inference.manifest import JSON_BYTES, ModelEntry, WeightsError, parse_json
from petlesion.inference.networks import meta_network
from petlesion.inference.nnunet_plans import NnunetPlans, PlansError
from petlesion.inference.weights import write_model

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

KNOWN_TRAINERS = {
    "nnUNetTrainer_organs_FDG": "mesbah, FDG: organ head of 14 + 1 classes in training",
    "nnUNetTrainer_organs_PSMA": "mesbah, PSMA: organ head of 14 + 1 classes in training",
    "PetlesionTrainerFDG": "mesbah, FDG, by petlesion train",
    "PetlesionTrainerPSMA": "mesbah, PSMA, by petlesion train",
    "PetlesionTrainerLesionTracer": "LesionTracer, by petlesion train",
    "PetlesionTrainerAlloula": "alloula, by petlesion train",
    "PetlesionTrainerBaseline": "baseline, by petlesion train",
    "autoPET3_Trainer": "LesionTracer: organ head of 10 + 1 classes in training",
}
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")  # in order of preference
UNSAID = "not said by its source"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Imported:
    """A model as it now stands in the manifest, and what a person should know about its import."""

    entry: ModelEntry
    notes: tuple[str, ...]


def import_nnunet_folder(  # noqa: PLR0913 - what a manifest must say, each by name
    src: Path,
    *,
    recipe_name: str,
    role: str,
    out: Path,
    licence: str,
    source: str,
    channels: tuple[str, ...],
    training_data: str = UNSAID,
    synthetic: bool = False,
    half: bool = True,
) -> Imported:
    """Import a model folder of nnU-Net: plans.json, dataset.json and fold_k/checkpoint_final.pth.

    Args:
        src: The folder.
        recipe_name: The recipe that uses it, such as "mesbah".
        role: Its role there, such as "fdg".
        out: The store's folder; its manifest is made or extended.
        licence: Licence of the weights.
        source: Where they come from; trainer and epochs are added to it.
        channels: Input channels in order, of "ct", "pet", "clicks".
        training_data: What they were trained on.
        synthetic: Whether that is synthetic images.
        half: Whether convolutions are stored as fp16, which is what a GPU makes of them.

    Returns:
        The entry, and notes: folds whose checkpoint_best was taken, an unknown trainer, and the like.

    Raises:
        WeightsError: When a file is missing or damaged, plans cannot be followed, or a key is missing,
            unexpected or of another shape; names file and key. Nothing is changed under `out`.
    """
    plans, dataset = _json(src / "plans.json"), _json(src / "dataset.json")
    files = _checkpoints(src)
    trainings = {fold: read_training(path) for fold, path in files.items()}
    training, notes = _common(trainings)
    _check_plans(plans, dataset, training.configuration, src)
    entry = ModelEntry(
        system=recipe_name,
        role=role,
        architecture="nnunet",
        channels=channels,
        licence=licence,
        source=f"{source}; {training.trainer}, {training.epochs} epochs, {_names(files)}",
        training_data=training_data,
        synthetic=synthetic,
        configuration=training.configuration,
        mirror_axes=(0, 1, 2) if training.mirror_axes is None else training.mirror_axes,
    )
    network = meta_network(plans, dataset, entry)
    states = _Lazy(files, lambda path: canonical_weights(read_weights(path), network, str(path)))
    written = write_model(out, entry, states, plans, dataset, half=half)
    return Imported(written, (*_notes_on_files(files), *notes))


def import_state_dicts(  # noqa: PLR0913 - what a manifest must say, each by name
    files: Mapping[int, Path],
    network: nn.Module,
    *,
    recipe_name: str,
    role: str,
    out: Path,
    licence: str,
    source: str,
    channels: tuple[str, ...] = ("pet",),
    training_data: str = UNSAID,
    synthetic: bool = False,
) -> Imported:
    """Import state dicts saved by `torch.save`, one for each fold, such as those of the MIP-CNN.

    Where the names of the layers are others, but number, order and shapes of the tensors are those of
    `network`, the tensors are taken in order and a note says so.

    Args:
        files: A file for each fold; `fold_files` finds them in a folder.
        network: The network that they must fit, such as `tracer.MipCnn()`, on any device.
        recipe_name: The recipe that uses it.
        role: Its role there, such as "tracer".
        out: The store's folder; its manifest is made or extended.
        licence: Licence of the weights.
        source: Where they come from.
        channels: Input channels in order.
        training_data: What they were trained on.
        synthetic: Whether that is synthetic images.

    Raises:
        WeightsError: When a file is missing or damaged, or a key is missing, unexpected or of another shape.
            Nothing is changed under `out`.
    """
    entry = ModelEntry(recipe_name, role, "mip_cnn", channels, licence, source, training_data, synthetic=synthetic)
    renamed: list[str] = []

    def read(path: Path) -> dict[str, torch.Tensor]:
        weights = read_weights(path)
        if (ordered := _by_position(weights, network)) is not None:
            renamed.append(f"{path.name}: its layers have other names; they were taken in their order")
            weights = ordered
        return canonical_weights(weights, network, str(path))

    written = write_model(out, entry, _Lazy(files, read))
    return Imported(written, tuple(renamed))


def fold_files(folder: Path) -> dict[int, Path]:
    """The .pth files of a folder by fold: the last number in their names, or else their order.

    Raises:
        WeightsError: When there is none.
    """
    files = sorted(folder.glob("*.pth"))
    if not files:
        raise WeightsError(f"{folder} must hold a .pth file for each fold; there is none")
    numbers = [re.findall(r"\d+", path.stem) for path in files]
    last = [int(found[-1]) if found else -1 for found in numbers]
    if -1 in last or len(set(last)) < len(last):
        last = list(range(len(files)))
    return dict(sorted(zip(last, files, strict=True)))


class _Lazy(Mapping[int, T], Generic[T]):
    """A mapping from folds to what is read from their files, each when it is asked for."""

    def __init__(self, files: Mapping[int, Path], read: Callable[[Path], T]) -> None:
        self._files, self._read = files, read

    def __getitem__(self, fold: int) -> T:
        return self._read(self._files[fold])

    def __iter__(self) -> Iterator[int]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _json(path: Path) -> dict[str, Any]:
    """A JSON file of the model folder."""
    try:
        with path.open("rb") as file:
            return parse_json(file.read(JSON_BYTES + 1), str(path))
    except OSError as error:
        raise WeightsError(
            f"a model folder of nnU-Net holds plans.json, dataset.json and fold_0, fold_1, ...; "
            f"{path} cannot be read: {error.strerror or error}"
        ) from error


def _checkpoints(src: Path) -> dict[int, Path]:
    """The checkpoint of each fold, `checkpoint_final` where there is one; `fold_all` alone is fold 0."""
    folders = {int(path.name[5:]): path for path in src.glob("fold_*") if path.name[5:].isdecimal()}
    if not folders and (src / "fold_all").is_dir():
        folders = {0: src / "fold_all"}
    if not folders:
        raise WeightsError(f"{src} must hold the folders fold_0, fold_1, ... (or fold_all); there is none")
    found = {}
    for fold, folder in sorted(folders.items()):
        path = next((folder / name for name in CHECKPOINTS if (folder / name).is_file()), None)
        if path is None:
            raise WeightsError(f"{folder} must hold {' or '.join(CHECKPOINTS)}; neither is there")
        found[fold] = path
    return found


def _common(trainings: Mapping[int, Training]) -> tuple[Training, list[str]]:
    """The training that the folds share, and notes on what is unusual in it."""
    first = next(iter(trainings.values()))
    for fold, training in trainings.items():
        shared = (training.trainer, training.configuration, training.mirror_axes)
        if shared != (first.trainer, first.configuration, first.mirror_axes):
            raise WeightsError(
                f"folds of one model share trainer, configuration and mirror axes; fold {fold} has {shared}, "
                f"the first has {(first.trainer, first.configuration, first.mirror_axes)}"
            )
    notes = []
    if first.trainer not in KNOWN_TRAINERS:
        notes.append(f"trainer {first.trainer} is not known here; check the channels and the normalisation")
    if first.mirror_axes is None:
        notes.append("the checkpoints do not say which axes were mirrored; all three are assumed")
    elif first.mirror_axes != (0, 1, 2):
        notes.append(f"training mirrored the axes {first.mirror_axes} only; so will inference")
    return first, notes


def _notes_on_files(files: Mapping[int, Path]) -> list[str]:
    """Notes on folds that are not what nnU-Net calls final."""
    notes = [
        f"fold {fold} has no {CHECKPOINTS[0]}; {CHECKPOINTS[1]} was taken"
        for fold, path in files.items()
        if path.name != CHECKPOINTS[0]
    ]
    if any(path.parent.name == "fold_all" for path in files.values()):
        notes.append("fold_all was taken as fold 0")
    return notes


def _names(files: Mapping[int, Path]) -> str:
    """The checkpoints' names, without repetition."""
    return " and ".join(sorted({path.stem for path in files.values()}, reverse=True))


def _check_plans(plans: Mapping[str, Any], dataset: Mapping[str, Any], configuration: str, src: Path) -> None:
    """Refuse plans that inference could not follow, at once and not at the first case."""
    try:
        NnunetPlans.parse(plans, dataset, configuration)
    except PlansError as error:
        raise WeightsError(f"{src}: {error}") from error


def _by_position(weights: Mapping[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor] | None:
    """The weights under the network's names, where no name is the network's but order and shapes are; else None."""
    expected = network.state_dict()
    if any(PREFIXES.sub("", key) in expected for key in weights):
        return None
    if [tensor.shape for tensor in weights.values()] != [tensor.shape for tensor in expected.values()]:
        return None
    return dict(zip(expected, weights.values(), strict=True))
