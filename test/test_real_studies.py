# SPDX-License-Identifier: Apache-2.0
"""Real FDG PET/CT through the entry with the shipped weights: accepted, called FDG, answered on the PET's grid."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from petlesion import entry
from petlesion.images import read_image
from test.real_data import SARCOMAS, TORSO, as_sockets, clicks_on, needs_sarcomas, needs_torso, true_mask


def answer(input_dir, output_dir):
    """Mask and report of a case, with one pass of each fold."""
    words = ["--input", str(input_dir), "--output", str(output_dir), "--depth", "1"]
    assert entry.main(words, started_s=time.monotonic()) == 0
    (mask,) = (output_dir / "images/tumor-lesion-segmentation").iterdir()
    return read_image(mask, "mask"), json.loads((output_dir / "report.json").read_text())


@needs_torso
def test_the_torso_is_called_fdg_and_answered_on_its_grid(tmp_path):
    mask, report = answer(as_sockets(TORSO, tmp_path / "input"), tmp_path / "output")
    assert mask.grid.same_as(read_image(TORSO / "SUV.nii.gz", "PET").grid)
    assert report["tracer"]["name"] == "FDG"
    assert report["warnings"] == []
    assert mask.array_zyx.mean() < 0.02  # lesions are a small part of a body, with or without what is mistaken for one


@needs_sarcomas
@pytest.mark.parametrize("name", ["STS_001", "STS_010", "STS_030"])
def test_a_sarcoma_is_called_fdg_and_found_by_its_clicks(tmp_path, name):
    study = SARCOMAS / name
    truth = true_mask(study)
    without, report = answer(as_sockets(study, tmp_path / "plain"), tmp_path / "plain_out")
    assert report["tracer"]["name"] == "FDG"
    assert without.grid.same_as(truth.grid)
    clicked, _ = answer(as_sockets(study, tmp_path / "clicked", clicks_on(study)), tmp_path / "clicked_out")
    # How well is for benchmarks: the drawn tumour is the anatomical one, and these weights saw phantoms only.
    assert np.count_nonzero((clicked.array_zyx > 0) & (truth.array_zyx > 0)) > 0
