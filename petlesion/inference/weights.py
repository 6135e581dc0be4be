# SPDX-License-Identifier: Apache-2.0
"""The store of weights: finds it, reads it with every byte verified, writes it.

Nothing is unpickled here: weights are safetensors, everything else is JSON. Published checkpoints are brought
into this form once, by `published`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

from petlesion.inference.manifest import (
    JSON_BYTES,
    FoldFile,
    ModelEntry,
    WeightsError,
    parse_json,
    parse_manifest,
    render_manifest,
)

__all__ = ["FoldFile", "ModelEntry", "ModelStore", "WeightsError", "write_model"]

MANIFEST = "manifest.json"
SEARCH = (Path("/opt/ml/model"), Path(__file__).resolve().parents[2] / "model_weights")
HALF_MAX = 65504.0  # the largest number of fp16

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class ModelStore:
    """A folder of weights with its manifest.

    Attributes:
        root: The folder that holds manifest.json, resolved.
        entries: The models of the manifest, in its order.
    """

    root: Path
    entries: tuple[ModelEntry, ...]

    @classmethod
    def open(cls, path: Path | None = None, search: Sequence[Path] = SEARCH) -> ModelStore:
        """The store at `path`, or where there is none, the first of the usual places that holds a manifest.

        Args:
            path: A folder with a manifest.json. Where it is given, no other place is tried.
            search: The usual places: /opt/ml/model, then model_weights beside process.py.

        Raises:
            WeightsError: When no manifest is found (names the paths tried) or it cannot be used.
        """
        tried = [Path(path)] if path is not None else list(search)
        for folder in tried:
            if (folder / MANIFEST).is_file():
                root = folder.resolve()
                return cls(root, parse_manifest(_read(root / MANIFEST, JSON_BYTES), str(root / MANIFEST)))
        places = ", ".join(str(folder / MANIFEST) for folder in tried)
        raise WeightsError(
            f"weights need a manifest; tried {places}; give the folder of the weights with --weights"
        )

    def entry(self, system: str, role: str) -> ModelEntry:
        """The model for a system's role.

        Raises:
            WeightsError: When the store does not hold it; names what it holds.
        """
        for entry in self.entries:
            if (entry.system, entry.role) == (system, role):
                return entry
        held = ", ".join(entry.name for entry in self.entries) or "nothing"
        raise WeightsError(
            f"{self.root / MANIFEST} holds {held}, not {system}/{role}; "
            "import or train that model, or choose another folder"
        )

    def plans(self, entry: ModelEntry) -> dict[str, Any]:
        """nnU-Net's plans.json of a model; WeightsError where it is missing or no JSON object."""
        return self._json(entry, entry.plans, "plans.json")

    def dataset(self, entry: ModelEntry) -> dict[str, Any]:
        """nnU-Net's dataset.json of a model; WeightsError where it is missing or no JSON object."""
        return self._json(entry, entry.dataset, "dataset.json")

    def load(self, entry: ModelEntry, fold: int) -> dict[str, torch.Tensor]:
        """The weights of a fold, on the CPU, as they are stored (fp16, one-dimensional ones fp32).

        Raises:
            WeightsError: When the file is missing, of another size or SHA-256, or no safetensors file.
        """
        record = entry.fold(fold)
        path = self._inside(record.file)
        data = _read(path, record.bytes)
        if len(data) != record.bytes:
            raise WeightsError(
                f"{path} must have {record.bytes} bytes; it has {len(data)}: copy the weights again"
            )
        digest = hashlib.sha256(data).hexdigest()
        if digest != record.sha256:
            raise WeightsError(
                f"{path} must have the SHA-256 {record.sha256}; it has {digest}: "
                "it was changed or damaged; copy it again"
            )
        try:
            state: dict[str, torch.Tensor] = safetensors.load(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise WeightsError(f"{path} must be a safetensors file: {error}") from error
        return state

    def verify(self) -> int:
        """Read everything that the manifest names.

        Returns:
            Bytes of the weights, all folds together.

        Raises:
            WeightsError: At the first file that is missing, damaged or holds a number that is not finite.
        """
        for entry in self.entries:
            if entry.architecture == "nnunet":
                self.plans(entry), self.dataset(entry)
            for fold in entry.folds:
                for key, tensor in self.load(entry, fold.fold).items():
                    if not bool(torch.isfinite(tensor).all()):
                        raise WeightsError(
                            f"{fold.file}: weights are finite numbers; {key} holds one that is not"
                        )
        return sum(fold.bytes for entry in self.entries for fold in entry.folds)

    def _json(self, entry: ModelEntry, file: str | None, what: str) -> dict[str, Any]:
        if file is None:
            raise WeightsError(f"{entry.name} is of architecture {entry.architecture} and has no {what}")
        path = self._inside(file)
        return parse_json(_read(path, JSON_BYTES), str(path))

    def _inside(self, file: str) -> Path:
        """The path of a file of the manifest, which must lie in the folder once links are followed."""
        path = (self.root / file).resolve()
        if not path.is_relative_to(self.root):
            raise WeightsError(
                f"weights lie inside {self.root}; {file} leads to {path}: put the file itself there"
            )
        return path


def write_model(
    root: Path,
    entry: ModelEntry,
    states: Mapping[int, State],
    plans: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] | None = None,
    *,
    half: bool = True,
) -> ModelEntry:
    """Write a model's files under `root` and put it into the manifest, in place of an older one.

    Every file is written beside its place and renamed into it; the manifest comes last.

    Args:
        root: The folder of the manifest; made where it is missing.
        entry: What the model is. Its `folds`, `plans` and `dataset` are set here.
        states: Weights of each fold. Keys of one tensor under two names are refused: name it once.
        plans: nnU-Net's plans (architecture "nnunet").
        dataset: nnU-Net's data-set description (architecture "nnunet").
        half: Whether tensors of two or more dimensions are stored as fp16; norms and biases are fp32.

    Returns:
        The entry as it stands in the manifest.

    Raises:
        WeightsError: When a weight is not finite or too large for fp16, or the manifest there cannot be read.
    """
    if entry.architecture == "nnunet" and not (plans and dataset and entry.configuration):
        raise WeightsError(f"{entry.name}: an nnU-Net model is written with plans, dataset and configuration")
    held = ModelStore.open(root).entries if (root / MANIFEST).exists() else ()
    folder = root / entry.system / entry.role
    folder.mkdir(parents=True, exist_ok=True)
    folds = tuple(_write_fold(root, entry, number, states[number], half=half) for number in sorted(states))
    paths: dict[str, str] = {}
    for kind, content in (("plans", plans), ("dataset", dataset)):
        if content is not None:
            paths[kind] = f"{entry.system}/{entry.role}/{kind}.json"
            _replace(root / paths[kind], (json.dumps(content, indent=2) + "\n").encode())
    written = replace(entry, folds=folds, **paths)  # type: ignore[arg-type]
    kept = [other for other in held if other.name != entry.name]
    _replace(root / MANIFEST, render_manifest([*kept, written]).encode())
    return written


def _write_fold(root: Path, entry: ModelEntry, number: int, state: State, *, half: bool) -> FoldFile:
    """Write one fold and say what was written."""
    file = f"{entry.system}/{entry.role}/fold_{number}.safetensors"
    data = safetensors.save({key: _stored(key, tensor, half=half) for key, tensor in state.items()})
    _replace(root / file, data)
    return FoldFile(number, file, hashlib.sha256(data).hexdigest(), len(data))


def _stored(key: str, tensor: torch.Tensor, *, half: bool) -> torch.Tensor:
    """A weight as stored: fp16 where it has two or more dimensions, else fp32; counters stay integers."""
    if not tensor.is_floating_point():
        return tensor.detach().cpu().contiguous().clone()
    small = half and tensor.ndim >= 2
    if not bool(torch.isfinite(tensor).all()) or (small and float(tensor.abs().max()) > HALF_MAX):
        raise WeightsError(
            f"weights are finite numbers of at most {HALF_MAX:.0f} (fp16); {key} holds another"
        )
    return tensor.detach().to("cpu", torch.float16 if small else torch.float32).contiguous().clone()


def _read(path: Path, limit: int) -> bytes:
    """The content of a file, read once, up to one byte more than `limit`."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror or error}; copy the weights again"
        ) from error


def _replace(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it, so that no reader sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
