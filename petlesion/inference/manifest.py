# SPDX-License-Identifier: Apache-2.0
"""manifest.json of a folder of weights: what the models are, as frozen values; read with checks, and written.

A manifest is `{"format": 1, "models": [...]}`. Each model names its system and role, its plans and nnU-Net's
data-set description (where it has them), its input channels in order, its origin, its licence, and one
safetensors file for each fold with its size and SHA-256. Paths are relative to the manifest.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from petlesion.document import DocumentError, parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = 1
JSON_BYTES = 1_000_000  # nnU-Net's plans have some 30 kB; more than this is not one of our files

DESCRIBED_BY: dict[str, tuple[str, ...]] = {"nnunet": ("plans", "dataset", "configuration"), "monai": ("plans",)}
"""What a model of an architecture must name beside its weights."""
DESCRIPTIONS = DESCRIBED_BY["nnunet"]
WORDS = ("system", "role", "licence", "source", "training_data")

Architecture = Literal["nnunet", "monai", "mip_cnn"]


class WeightsError(RuntimeError):
    """Weights that are missing, damaged or of another network. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class FoldFile:
    """One fold's weights.

    Attributes:
        fold: Its number, from 0.
        file: The safetensors file, relative to the manifest's folder.
        sha256: SHA-256 of the file's content, 64 digits.
        bytes: The file's size.

    Raises:
        WeightsError: When a value is outside its range, or the path leaves the folder.
    """

    fold: int
    file: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        if self.fold < 0 or self.bytes < 1:
            raise WeightsError(f"a fold's number is at least 0 and its file not empty; got {self.fold}, {self.bytes}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise WeightsError(f"a SHA-256 has 64 digits of 0-9 and a-f; fold {self.fold} has {self.sha256[:80]!r}")
        _check_relative(self.file)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One ensemble of a system.

    Attributes:
        system: The recipe's name, such as "mesbah".
        role: What the ensemble is for: "tracer", "fdg", "psma", ...
        architecture: "nnunet" or "monai" (built from its plans), or "mip_cnn".
        channels: Input channels in order; see `recipe.Stage`.
        licence: Licence of the weights.
        source: Where they come from, with the trainer's name.
        training_data: What they were trained on.
        synthetic: Whether they were trained on synthetic images: not for clinical use.
        configuration: nnU-Net configuration; "" where there are no plans.
        plans: Path of plans.json, nnU-Net's or `monai_plans`'; None where there is none, and until it is written.
        dataset: Path of nnU-Net's dataset.json; None for other architectures.
        mirror_axes: Axes of the network's array (0 is Z) that may be mirrored, as in training.
        folds: One file for each fold, in ascending order.

    Raises:
        WeightsError: When a field is missing or contradicts another.
    """

    system: str
    role: str
    architecture: Architecture
    channels: tuple[str, ...]
    licence: str
    source: str
    training_data: str
    synthetic: bool
    configuration: str = ""
    plans: str | None = None
    dataset: str | None = None
    mirror_axes: tuple[int, ...] = (0, 1, 2)
    folds: tuple[FoldFile, ...] = ()

    def __post_init__(self) -> None:
        for name in ("system", "role"):
            if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", getattr(self, name)):
                raise WeightsError(f"a model's {name} is a word of a-z, 0-9 and _; got {getattr(self, name)[:80]!r}")
        if self.architecture not in get_args(Architecture):
            raise WeightsError(
                f"{self.name}: an architecture is one of {get_args(Architecture)}; got {self.architecture!r}"
            )
        if not self.channels:
            raise WeightsError(f"{self.name}: a model has at least one input channel")
        if not set(self.mirror_axes) <= {0, 1, 2}:
            raise WeightsError(f"{self.name}: mirror axes are of 0, 1, 2; got {list(self.mirror_axes)}")
        for path in (self.plans, self.dataset):
            if path is not None:
                _check_relative(path)
        numbers = [fold.fold for fold in self.folds]
        if numbers != sorted(set(numbers)):
            raise WeightsError(f"{self.name}: folds are listed once each, in ascending order; got {numbers}")

    @property
    def name(self) -> str:
        """System and role in one word, such as "mesbah/fdg"."""
        return f"{self.system}/{self.role}"

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """Numbers of the folds, in ascending order."""
        return tuple(fold.fold for fold in self.folds)

    def fold(self, number: int) -> FoldFile:
        """The file of fold `number`; WeightsError where there is none."""
        for fold in self.folds:
            if fold.fold == number:
                return fold
        raise WeightsError(f"{self.name} has the folds {list(self.fold_numbers)}, not {number}; choose among them")


def parse_manifest(text: str | bytes, where: str = "manifest.json") -> tuple[ModelEntry, ...]:
    """The models of a manifest.

    Args:
        text: The file's content, at most 1 MB.
        where: The file's name, for messages.

    Raises:
        WeightsError: When the text is no manifest of this format; names the model and the field.
    """
    content = parse_json(text, where)
    if content.get("format") != FORMAT:
        raise WeightsError(f"{where}: the format must be {FORMAT}; it is {content.get('format')!r}")
    models = content.get("models")
    if not isinstance(models, list):
        raise WeightsError(f'{where}: "models" must be a list of models')
    entries = tuple(_parse_model(model, f"{where}: models[{i}]") for i, model in enumerate(models))
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise WeightsError(f"{where}: a system's role is listed once; {name} is listed {names.count(name)} times")
    return entries


def render_manifest(entries: Sequence[ModelEntry]) -> str:
    """The text of a manifest, the inverse of `parse_manifest`; fields that do not apply are left out."""
    models = [_rendered(entry) for entry in entries]
    return json.dumps({"format": FORMAT, "models": models}, indent=2) + "\n"


def _rendered(entry: ModelEntry) -> dict[str, Any]:
    """One model as a JSON object."""
    kept = DESCRIBED_BY.get(entry.architecture, ())
    left_out = {*DESCRIPTIONS, *(() if kept else ("mirror_axes",))} - {*kept}
    return {key: value for key, value in asdict(entry).items() if key not in left_out}


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """A JSON object of at most 1 MB.

    Raises:
        WeightsError: When the text is longer, is no JSON, too deep or ambiguous, or is JSON but no object.
    """
    try:
        content = parse_document(text, JSON_BYTES)
    except DocumentError as error:
        raise WeightsError(f"{where} {error}; write the weights again") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{where}: an object is expected at the top; got {type(content).__name__}")
    return content


def _parse_model(model: object, where: str) -> ModelEntry:
    """One model of the manifest, each field checked for its type."""
    fields = _fields(model, where)
    architecture = str(fields.get("architecture"))
    kept = DESCRIBED_BY.get(architecture, ())  # fields that do not apply are left out, as in writing
    if lacking := [key for key in kept if not fields.get(key)]:
        raise WeightsError(f"{where}: a model of the architecture {architecture} needs {lacking}")
    optional = {key: _typed(fields, key, str, where) for key in kept}
    words = {key: _typed(fields, key, str, where) for key in WORDS}
    try:
        return ModelEntry(
            architecture=cast("Architecture", _typed(fields, "architecture", str, where)),
            channels=_listed(fields, "channels", str, where),
            mirror_axes=_listed(fields, "mirror_axes", int, where) if kept and "mirror_axes" in fields else (0, 1, 2),
            synthetic=_typed(fields, "synthetic", bool, where),
            folds=tuple(
                _parse_fold(fold, f"{where}.folds[{i}]") for i, fold in enumerate(_typed(fields, "folds", list, where))
            ),
            **words,
            **optional,
        )
    except WeightsError as error:
        raise WeightsError(str(error) if str(error).startswith(where) else f"{where}: {error}") from error


def _parse_fold(fold: object, where: str) -> FoldFile:
    """One fold of a model, each field checked for its type."""
    fields = _fields(fold, where)
    return FoldFile(
        fold=_typed(fields, "fold", int, where),
        file=_typed(fields, "file", str, where),
        sha256=_typed(fields, "sha256", str, where),
        bytes=_typed(fields, "bytes", int, where),
    )


def _fields(value: object, where: str) -> Mapping[str, Any]:
    """The fields of a JSON object."""
    if not isinstance(value, dict):
        raise WeightsError(f"{where}: an object is expected; got {type(value).__name__}")
    return value


def _typed(fields: Mapping[str, Any], key: str, kind: type, where: str) -> Any:  # noqa: ANN401 - of type `kind`
    """A field of the given type; True is no integer."""
    if key not in fields:
        raise WeightsError(f'{where}: "{key}" is missing')
    value = fields[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise WeightsError(f'{where}: "{key}" must be of type {kind.__name__}; got {str(value)[:80]!r}')
    return value


def _listed(fields: Mapping[str, Any], key: str, kind: type, where: str) -> tuple[Any, ...]:
    """A field that is a list of values of the given type."""
    values = _typed(fields, key, list, where)
    if not all(type(value) is kind for value in values):
        raise WeightsError(f'{where}: "{key}" must be a list of {kind.__name__}; got {str(values)[:80]}')
    return tuple(values)


def _check_relative(path: str) -> None:
    """Refuse a path that could leave the manifest's folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path or Path(path).is_absolute():
        raise WeightsError(f"a file of a manifest lies inside its folder, named by a relative path; got {path[:200]!r}")
