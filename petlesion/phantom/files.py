# SPDX-License-Identifier: Apache-2.0
"""Synthetic studies on disk, in the form in which the challenge's container meets a case."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from petlesion.clicks import clicks_to_json
from petlesion.itk import to_image

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.clicks import Clicks
    from petlesion.phantom.study import Phantom
    from petlesion.volume import Volume


def write_phantom(phantom: Phantom, out: Path, clicks: Clicks | None = None) -> str:
    """Write a phantom below `out` and return the name (a UUID) of its images.

    `input/images/ct/<uuid>.mha` and `input/images/pet/<uuid>.mha` (float32), `input/lesion-clicks.json` where clicks
    are given, `truth.mha` (uint8), `organs.mha` (uint8, labels of `organs.Organ`) and `truth.json` (tracer and lesions:
    site, centre, voxels, volume in ml, SUV). The name follows from the PET's bytes: equal phantoms, equal files.

    Raises:
        OSError: When a folder or `truth.json` cannot be written.
        RuntimeError: When an image cannot be written.
    """
    digest = hashlib.sha256(phantom.pet_suv.array_zyx.tobytes()).digest()
    name = str(uuid.UUID(bytes=digest[:16], version=4))
    for kind, volume in (("ct", phantom.ct_hu), ("pet", phantom.pet_suv)):
        _write_image(volume, out / "input" / "images" / kind / f"{name}.mha")
    _write_image(phantom.truth, out / "truth.mha")
    _write_image(phantom.organs, out / "organs.mha")
    if clicks is not None:
        _write_json(clicks_to_json(clicks), out / "input" / "lesion-clicks.json")
    _write_json(describe(phantom, name), out / "truth.json")
    return name


def describe(phantom: Phantom, name: str) -> dict[str, Any]:
    """What `truth.json` holds: every lesion's site, centre (voxels and mm), volume in ml and SUV."""
    return {
        "name": name,
        "tracer": phantom.tracer.value,
        "synthetic": True,
        "n_lesions": len(phantom.lesions),
        "total_volume_ml": sum(lesion.volume_ml for lesion in phantom.lesions),
        "lesions": [dataclasses.asdict(lesion) for lesion in phantom.lesions],
    }


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_image(volume: Volume, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(volume), str(path), useCompression=True)
