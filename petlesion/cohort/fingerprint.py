# SPDX-License-Identifier: Apache-2.0
"""What a mask was made of, in 64 digits: the bytes of its inputs, the weights, the options, the version.

Where and how fast it was made (device, workers, threads, paths) does not count: that moves some voxels at most.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from petlesion import __version__
from petlesion.digest import file_sha256
from petlesion.entry import needed_roles
from petlesion.images import reason
from petlesion.listing import LISTING
from petlesion.sockets import find_files

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.cohort.cases import CohortCase
    from petlesion.inference.manifest import ModelEntry
    from petlesion.inference.weights import ModelStore
    from petlesion.options import RunOptions

FORMAT = 1
LIMITS = ("time_limit_s", "depth", "body_crop", "tile_step", "folds", "tracer")


def method_of(options: RunOptions, store: ModelStore) -> str:
    """What all masks of a cohort have in common: recipe, options, weights, version; 64 digits.

    Raises:
        WeightsError: When the store lacks what the recipe needs.
    """
    limits = {name: getattr(options.limits, name) for name in LIMITS}
    entries = [store.entry(options.recipe.name, role) for role in needed_roles(options.recipe, options.limits)]
    weights = [_weights(store, entry, options.limits.folds) for entry in entries]
    said = {"format": FORMAT, "petlesion": __version__, "recipe": options.recipe.name, "weights": weights}
    return _digest(said | {"limits": limits, "reading": asdict(options.reading)})


def fingerprint_of(case: CohortCase, method: str) -> str:
    """What the mask of a case depends on; 64 digits.

    Raises:
        CaseError: When the sockets are listed in a broken `inputs.json`.
        OSError: When an input cannot be read.
    """
    return _digest({"method": method, "inputs": {kind: _bytes_of(paths) for kind, paths in _inputs(case).items()}})


def why_unread(error: Exception) -> str:
    """The sentence for an input whose bytes cannot be read."""
    return f"a case's files must be readable; one is not: {reason(error)}; mend its permissions or copy it again"


def _inputs(case: CohortCase) -> dict[str, list[Path]]:
    if case.dicom is not None:
        given = {"dicom": [case.dicom]}
    elif case.sockets is not None:
        files = find_files(case.sockets)
        listing = case.sockets / LISTING
        given = {"ct": [files.ct_dir], "pet": [files.pet_dir], "clicks": [files.clicks], "listing": [listing]}
    else:
        given = {name: [path] for name in ("ct", "pet") if (path := getattr(case, name)) is not None}
    return given | ({"clicks": [case.clicks]} if case.clicks is not None else {})


def _bytes_of(paths: list[Path]) -> list[str]:
    """SHA-256 of every file, in their own order, so that names and places do not count; a missing one has none."""
    found = []
    for path in paths:
        files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        found += [file_sha256(one) for one in files if one.is_file()]
    return sorted(found)


def _weights(store: ModelStore, entry: ModelEntry, folds: tuple[int, ...] | None) -> dict[str, Any]:
    said = asdict(entry) | {"folds": [asdict(one) for one in entry.folds if folds is None or one.fold in folds]}
    said["plans"] = store.plans(entry) if entry.plans else None
    said["dataset"] = store.dataset(entry) if entry.dataset else None
    return said


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
