# SPDX-License-Identifier: Apache-2.0
"""A phantom on disk has the challenge's layout and tells the whole truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.case import Tracer
from petlesion.clicks import Clicks
from petlesion.phantom import STUDY_DIRECTION, make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.volume import Grid

GRID = Grid((30, 25, 60), (16.0, 16.0, 16.0), (-240.0, 190.0, -960.0), STUDY_DIRECTION)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(Tracer.PSMA, np.random.default_rng(0), grid=GRID, n_lesions=3)


def test_images_come_back_as_they_were(phantom, tmp_path):
    name = write_phantom(phantom, tmp_path)
    for path, volume in [
        (f"input/images/ct/{name}.mha", phantom.ct_hu),
        (f"input/images/pet/{name}.mha", phantom.pet_suv),
        ("truth.mha", phantom.truth),
        ("organs.mha", phantom.organs),
    ]:
        image = sitk.ReadImage(str(tmp_path / path))
        assert (sitk.GetArrayFromImage(image) == volume.array_zyx).all()
        assert (image.GetSpacing(), image.GetOrigin()) == (GRID.spacing_mm, GRID.origin_mm)
        assert image.GetDirection() == STUDY_DIRECTION


def test_without_clicks_there_is_no_click_file(phantom, tmp_path):
    write_phantom(phantom, tmp_path)
    assert not (tmp_path / "input" / "lesion-clicks.json").exists()


def test_clicks_are_written_as_the_platform_has_them(phantom, tmp_path):
    write_phantom(phantom, tmp_path, Clicks(((1, 2, 3),), ((4, 5, 6),)))
    assert json.loads((tmp_path / "input" / "lesion-clicks.json").read_text()) == {
        "version": {"major": 1, "minor": 0},
        "type": "Multiple points",
        "points": [{"point": [1, 2, 3], "name": "tumor"}, {"point": [4, 5, 6], "name": "background"}],
    }


def test_the_truth_names_every_lesion(phantom, tmp_path):
    name = write_phantom(phantom, tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert (truth["name"], truth["tracer"], truth["synthetic"], truth["n_lesions"]) == (name, "PSMA", True, 3)
    for said, lesion in zip(truth["lesions"], phantom.lesions, strict=True):
        assert (said["volume_ml"], said["suv_max"]) == (lesion.volume_ml, lesion.suv_max)
        assert tuple(said["centre_xyz"]) == lesion.centre_xyz
    assert truth["total_volume_ml"] == pytest.approx(np.count_nonzero(phantom.truth.array_zyx) * GRID.voxel_ml)


def test_equal_phantoms_make_equal_files(phantom, tmp_path):
    for folder in ("one", "two"):
        write_phantom(phantom, tmp_path / folder, Clicks(((1, 2, 3),)))
    files = [sorted(p for p in (tmp_path / f).rglob("*") if p.is_file()) for f in ("one", "two")]
    assert [p.name for p in files[0]] == [p.name for p in files[1]]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
