# SPDX-License-Identifier: Apache-2.0
"""`petlesion report`: the reports of a mask that is there already."""

from __future__ import annotations

import json

import pytest

from petlesion.cli import main
from petlesion.images import write_mask
from petlesion.lesions import LesionMask, measure_lesions
from petlesion.volume import Grid


@pytest.fixture
def files(toy_case, tmp_path):
    ct, pet = (next((toy_case.input_dir / "images" / kind).iterdir()) for kind in ("ct", "pet"))
    write_mask(toy_case.phantom.truth, tmp_path / "truth.mha")
    return {"--ct": str(ct), "--pet": str(pet), "--mask": str(tmp_path / "truth.mha"), "--out": str(tmp_path / "out")}


def run(files):
    return main(["report", *(word for pair in files.items() for word in pair)])


def test_a_mask_gets_its_three_reports(files, toy_case, tmp_path, capsys):
    assert run(files | {"--name": "case 7"}) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lesions.csv", "report.html", "report.json"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    lesions = measure_lesions(toy_case.phantom.truth, toy_case.phantom.pet_suv)
    assert report["case"] == "case 7"
    assert report["n_lesions"] == len(lesions)
    assert report["tmtv_ml"] == pytest.approx(sum(lesion.volume_ml for lesion in lesions), abs=1e-5)
    assert "report.html" in capsys.readouterr().out


def test_without_a_ct_the_pet_is_shown_alone_under_the_masks_name(files, tmp_path):
    del files["--ct"]
    assert run(files) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<title>truth: PET/CT lesion report</title>" in page
    assert "PET alone" in page


def test_a_mask_on_another_grid_is_a_usage_error(files, toy_case, tmp_path, capsys):
    grid = toy_case.phantom.truth.grid
    other = Grid(grid.size_xyz, grid.spacing_mm, (1.0, 2.0, 3.0))
    write_mask(LesionMask(toy_case.phantom.truth.array_zyx, other), tmp_path / "truth.mha")
    assert run(files) == 2
    assert "resample the mask first" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
