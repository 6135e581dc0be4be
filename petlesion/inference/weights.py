# SPDX-License-Identifier: Apache-2.0
"""The store of weights: finds it, reads it with every byte verified, writes it.

Nothing is unpickled here: weights are safetensors, everything else is JSON. Published checkpoints are brought
into this form once, by `published`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors

from petlesion.digest import file_sha256
from petlesion.document import DocumentError, read_bytes
from petlesion.inference.manifest import (
    DESCRIBED_BY,
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
COPY_AGAIN = "the weights are incomplete or were changed: copy or import them again"
HALF_MAX = 65504.0  # the largest number of fp16

State = Mapping[str, torch.Tensor]
Build = Callable[["ModelStore", ModelEntry, int, torch.device], torch.nn.Module]


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
                return cls(root, parse_manifest(_read(root / MANIFEST), str(root / MANIFEST)))
        places = ", ".join(str(folder / MANIFEST) for folder in tried)
        raise WeightsError(f"weights need a manifest; tried {places}; give the folder of the weights with --weights")

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
        """plans.json of a model; WeightsError where it is missing or no JSON object."""
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
        _check_content(path, record)
        try:
            state: dict[str, torch.Tensor] = safetensors.load_file(path)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise WeightsError(f"{path} must be a safetensors file ({error}); {COPY_AGAIN}") from error
        return state

    def network(self, entry: ModelEntry, fold: int, device: torch.device, build: Build) -> torch.nn.Module:
        """The network of a fold on a device, as `build` makes it: anew each time. A `ResidentStore` keeps it."""
        return build(self, entry, fold, device)

    def shapes(self, entry: ModelEntry, fold: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of a fold's weights, from the head of its file: quick, and without its SHA-256.

        Raises:
            WeightsError: When the file is missing, of another size, or no safetensors file.
        """
        record = entry.fold(fold)
        path = self._inside(record.file)
        _check_size(path, record)
        try:
            with safe_open(path, framework="pt") as file:
                return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise WeightsError(f"{path} must be a safetensors file ({error}); {COPY_AGAIN}") from error

    def verify(self) -> int:
        """Read everything that the manifest names.

        Returns:
            Bytes of the weights, all folds together.

        Raises:
            WeightsError: At the first file that is missing, damaged or holds a number that is not finite.
        """
        for entry in self.entries:
            for what in (entry.plans, entry.dataset):
                if what is not None:
                    self._json(entry, what, what)
            for fold in entry.folds:
                for key, tensor in self.load(entry, fold.fold).items():
                    if not bool(torch.isfinite(tensor).all()):
                        raise WeightsError(f"{fold.file}: weights are finite numbers; {key} holds one that is not")
        return sum(fold.bytes for entry in self.entries for fold in entry.folds)

    def _json(self, entry: ModelEntry, file: str | None, what: str) -> dict[str, Any]:
        if file is None:
            raise WeightsError(f"{entry.name} is of architecture {entry.architecture} and has no {what}")
        path = self._inside(file)
        return parse_json(_read(path), str(path))

    def _inside(self, file: str) -> Path:
        """The path of a file of the manifest, which must lie in the folder once links are followed."""
        try:
            path = (self.root / file).resolve()
        except (OSError, RuntimeError) as error:  # links that lead in a circle
            raise WeightsError(f"weights lie inside {self.root}; {file} cannot be followed: {error}") from error
        if not path.is_relative_to(self.root):
            raise WeightsError(f"weights lie inside {self.root}; {file} leads to {path}: put the file itself there")
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

    All files are written into a folder beside their places and renamed when the last one is complete, the
    manifest last of all; a failure leaves what was there.

    Args:
        root: The folder of the manifest; made where it is missing.
        entry: What the model is. Its `folds`, `plans` and `dataset` are set here.
        states: Weights of each fold, each tensor once, as `networks.canonical_state` gives them. Folds are
            asked for one after the other, so that a lazy mapping never holds two.
        plans: nnU-Net's plans, or a document of `MonaiPlans`.
        dataset: nnU-Net's data-set description (architecture "nnunet").
        half: Whether tensors of two or more dimensions are stored as fp16; norms and biases are fp32.

    Returns:
        The entry as it stands in the manifest.

    Raises:
        WeightsError: When a weight is not finite or too large for fp16, or the manifest there cannot be read.
    """
    given = {"plans": plans, "dataset": dataset, "configuration": entry.configuration}
    if lacking := [what for what in DESCRIBED_BY.get(entry.architecture, ()) if not given[what]]:
        raise WeightsError(f"{entry.name}: a model of the architecture {entry.architecture} is written with {lacking}")
    if not states:
        raise WeightsError(f"{entry.name}: a model has at least one fold; there is none to write")
    held = ModelStore.open(root).entries if (root / MANIFEST).exists() else ()
    folder = PurePosixPath(entry.system, entry.role)
    (root / folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=root) as name:
        part = Path(name)
        folds = tuple(_write_fold(part, folder, n, states[n], half=half) for n in sorted(states))
        paths = _write_descriptions(part, folder, {"plans": plans, "dataset": dataset})
        written = replace(entry, folds=folds, plans=paths.get("plans"), dataset=paths.get("dataset"))
        kept = [other for other in held if other.name != entry.name]
        (part / MANIFEST).write_text(render_manifest([*kept, written]), encoding="utf-8")
        for file in (*paths.values(), *(fold.file for fold in folds)):
            (part / PurePosixPath(file).name).replace(root / file)
        (part / MANIFEST).replace(root / MANIFEST)
    _remove_stale(root, [other for other in held if other.name == entry.name], written)
    return written


def _write_fold(part: Path, folder: PurePosixPath, number: int, state: State, *, half: bool) -> FoldFile:
    """Write one fold into `part`, and say what will stand in `folder`."""
    path = part / f"fold_{number}.safetensors"
    safetensors.save_file({key: _stored(key, tensor, half=half) for key, tensor in state.items()}, path)
    path.chmod(0o644)  # safetensors makes files that their owner alone can read, and the container is another user
    return FoldFile(number, str(folder / path.name), file_sha256(path), path.stat().st_size)


def _write_descriptions(
    part: Path, folder: PurePosixPath, contents: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, str]:
    """Write the JSON files that there are into `part`; their paths as they will be under the root."""
    paths = {kind: str(folder / f"{kind}.json") for kind, content in contents.items() if content is not None}
    for kind in paths:
        (part / f"{kind}.json").write_text(json.dumps(contents[kind], indent=2) + "\n", encoding="utf-8")
    return paths


def _remove_stale(root: Path, replaced: Sequence[ModelEntry], written: ModelEntry) -> None:
    """Remove files of the replaced entry that the new one no longer names."""
    named = {fold.file for fold in written.folds}
    for old in replaced:
        for fold in old.folds:
            if fold.file not in named:
                (root / fold.file).unlink(missing_ok=True)


def _stored(key: str, tensor: torch.Tensor, *, half: bool) -> torch.Tensor:
    """A weight as stored: fp16 where it has two or more dimensions, else fp32; counters stay integers."""
    tensor = tensor.detach()
    if not tensor.is_floating_point():
        return tensor.to("cpu", copy=True).contiguous()
    stored = tensor.to("cpu", torch.float16 if half and tensor.ndim >= 2 else torch.float32, copy=True)
    if not bool(torch.isfinite(stored).all()):
        raise WeightsError(f"weights are finite numbers, in fp16 at most {HALF_MAX:.0f}; {key} holds another")
    return stored.contiguous()


def _check_content(path: Path, record: FoldFile) -> None:
    """Refuse a file that is not, byte for byte, the one of the manifest."""
    _check_size(path, record)
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}; {COPY_AGAIN}") from error
    if digest != record.sha256:
        raise WeightsError(f"{path} must have the SHA-256 {record.sha256}; it has {digest}; {COPY_AGAIN}")


def _check_size(path: Path, record: FoldFile) -> None:
    """Refuse a file that is missing or not of the manifest's size."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}; {COPY_AGAIN}") from error
    if size != record.bytes:
        raise WeightsError(f"{path} must have {record.bytes} bytes; it has {size}; {COPY_AGAIN}")


def _read(path: Path) -> bytes:
    """The content of a JSON file, up to one byte more than is allowed."""
    try:
        return read_bytes(path, JSON_BYTES)
    except DocumentError as error:
        raise WeightsError(f"{path} {error}; {COPY_AGAIN}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}; {COPY_AGAIN}") from error
