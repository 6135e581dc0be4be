# SPDX-License-Identifier: Apache-2.0
"""`petlesion export-dicom`: files in, objects out."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from petlesion.cli import main
from petlesion.images import write_mask
from petlesion.itk import to_image
from petlesion.lesions import LesionMask
from petlesion.volume import Grid
from test.dicom.objects import pet_series
from test.dicom_out.series import mask_and_pet, pet_slices
from test.dicom_out.test_export import figures_in


@pytest.fixture
def files(tmp_path):
    mask, pet = mask_and_pet((2, 3, 1), (9, 8, 6))
    write_mask(mask, tmp_path / "mask.mha")
    sitk.WriteImage(to_image(pet), str(tmp_path / "pet.mha"))
    (tmp_path / "series").mkdir()
    for one in pet_slices():
        one.save_as(tmp_path / "series" / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
    names = {"--mask": "mask.mha", "--pet": "pet.mha", "--series": "series", "--out": "out"}
    return {option: str(tmp_path / name) for option, name in names.items()}


def run(files, *flags):
    return main(["export-dicom", *(word for pair in files.items() for word in pair), *flags])


def test_a_mask_becomes_a_segmentation_and_a_report(files, tmp_path, capsys):
    (tmp_path / "report.json").write_text(json.dumps({"recipe": "mesbah"}))
    assert run(files | {"--report": str(tmp_path / "report.json")}, "--per-lesion", "--guided", "--anonymise") == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / name) for name in ("seg.dcm", "sr.dcm")]
    first, second = pydicom.dcmread(tmp_path / "out" / "seg.dcm").SegmentSequence
    assert (first.SegmentLabel, second.SegmentLabel) == ("Lesion 1", "Lesion 2")
    assert first.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert pydicom.dcmread(tmp_path / "out" / "sr.dcm").PatientName == ""


def test_a_report_that_is_none_is_a_usage_error(files, tmp_path, capsys):
    (tmp_path / "report.json").write_text("[]")
    assert run(files | {"--report": str(tmp_path / "report.json")}) == 2
    assert "report.json of petlesion" in capsys.readouterr().err


def test_a_folder_without_a_series_is_a_bad_input(files, tmp_path, capsys):
    assert run(files | {"--series": str(tmp_path)}) == 3
    assert "one PET series" in capsys.readouterr().err


def test_a_pet_on_another_grid_is_a_usage_error(files, tmp_path, capsys):
    _, pet = mask_and_pet(grid=Grid((5, 5, 5), (4.0, 4.0, 4.0)))
    sitk.WriteImage(to_image(pet), str(tmp_path / "pet.mha"))
    assert run(files) == 2
    assert "share one grid" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_pet_suv_is_computed_from_the_series(tmp_path, capsys):
    """Slice k holds k + 1 Bq/ml; 400 MBq, 80 kg, corrected to the injection: SUV (k + 1) / 5000."""
    pet_series(tmp_path / "series", DecayCorrection="ADMIN", PatientWeight=None, StudyTime="100000")
    grid = Grid((4, 3, 4), (2.0, 4.0, 3.0), (-10.0, -20.0, 0.0))
    inside = np.zeros(grid.shape_zyx, bool)
    inside[3, 1, 2] = True
    write_mask(LesionMask.of(inside, grid), tmp_path / "mask.mha")
    files = {"--series": tmp_path / "series", "--mask": tmp_path / "mask.mha", "--out": tmp_path / "out"}
    files = {option: str(path) for option, path in files.items()}
    assert run(files) == 3
    assert "Patient's Weight (0010,1030); it is missing or zero; give --weight-kg" in capsys.readouterr().err
    assert run(files, "--weight-kg", "80") == 0
    assert figures_in(tmp_path / "out" / "sr.dcm")["Lesion 1"]["126401", "56851009"][0] == pytest.approx(4 / 5000)
    assert run(files, "--weight-kg", "-1") == 2
