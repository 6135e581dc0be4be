# SPDX-License-Identifier: Apache-2.0
"""Real PET/CT in the platform's sockets; tests that use it skip where the data are absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.clicks import Clicks, clicks_to_json
from petlesion.images import read_image
from petlesion.simulate import simulate_clicks

if TYPE_CHECKING:
    from petlesion.volume import Volume

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TORSO = SHARED_DATA / "petct_torso" / "CCTH-A01"
SARCOMAS = SHARED_DATA / "petct_sts"

needs_torso = pytest.mark.skipif(not TORSO.is_dir(), reason="the real torso study is not beside the repository")
needs_sarcomas = pytest.mark.skipif(
    not SARCOMAS.is_dir(), reason="the real sarcoma studies are not beside the repository"
)


def as_sockets(study: Path, input_dir: Path, clicks: Clicks | None = None) -> Path:
    """Lay a study (CTres.nii.gz, SUV.nii.gz) out as the platform does."""
    for kind, name in (("ct", "CTres.nii.gz"), ("pet", "SUV.nii.gz")):
        folder = input_dir / "images" / kind
        folder.mkdir(parents=True)
        sitk.WriteImage(sitk.ReadImage(str(study / name)), str(folder / f"{study.name}.mha"), useCompression=True)
    if clicks is not None:
        (input_dir / "lesion-clicks.json").write_text(json.dumps(clicks_to_json(clicks)))
    return input_dir


def true_mask(study: Path) -> Volume:
    """The sarcoma as it was drawn, uint8."""
    drawn = read_image(study / "SEG.nii.gz", "mask")
    return drawn.with_array((drawn.array_zyx > 0).astype(np.uint8))


def clicks_on(study: Path, seed: int = 0) -> Clicks:
    """Ten simulated clicks of each kind."""
    pet = read_image(study / "SUV.nii.gz", "PET")
    return simulate_clicks(true_mask(study), pet, np.random.default_rng(seed))
