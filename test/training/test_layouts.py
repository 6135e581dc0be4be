# SPDX-License-Identifier: Apache-2.0
"""Layouts of studies: each is found, and what is at fault is named before anything is read."""

import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.case import Tracer
from petlesion.training.layouts import DataError, find_studies, tracer_of


def image(path, size=(4, 5, 6), spacing=(2.0, 2.0, 3.0), value=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    found = sitk.GetImageFromArray(np.full(size[::-1], value, np.float32))
    found.SetSpacing(spacing)
    sitk.WriteImage(found, str(path))
    return path


def nnunet_case(data, name, value=1.0, **mask):
    image(data / "imagesTr" / f"{name}_0000.nii.gz")
    image(data / "imagesTr" / f"{name}_0001.nii.gz", value=value)
    image(data / "labelsTr" / f"{name}.nii.gz", **mask)


def socket_case(folder, value=1.0):
    image(folder / "input" / "images" / "ct" / "a.mha")
    image(folder / "input" / "images" / "pet" / "a.mha", value=value)
    (folder / "input" / "lesion-clicks.json").write_text('{"points": []}')
    image(folder / "truth.mha")
    image(folder / "organs.mha")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="must hold studies"):
        find_studies(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        find_studies(tmp_path / "none")


def test_the_sockets_of_a_phantom(tmp_path):
    socket_case(tmp_path / "b", value=2.0)
    socket_case(tmp_path / "a")
    (tmp_path / "a" / "truth.json").write_text('{"tracer": "PSMA"}')
    first, second = find_studies(tmp_path)
    assert (first.name, first.tracer, second.tracer) == ("a", Tracer.PSMA, None)
    assert first.pet.parts[-3:] == ("images", "pet", "a.mha")
    assert (first.clicks.name, first.organs.name) == ("lesion-clicks.json", "organs.mha")


def test_autopets_nnunet_form_with_clicks_and_organs_beside(tmp_path):
    nnunet_case(tmp_path / "data", "fdg_a_1")
    nnunet_case(tmp_path / "data", "psma_b_1", value=2.0)
    (tmp_path / "clicks").mkdir()
    (tmp_path / "clicks" / "fdg_a_1.json").write_text("{}")
    image(tmp_path / "organs" / "fdg_a_1.nii.gz")
    extras = {"clicks": tmp_path / "clicks", "organs": tmp_path / "organs"}
    fdg, psma = find_studies(tmp_path / "data", **extras)
    assert (fdg.tracer, psma.tracer) == (Tracer.FDG, Tracer.PSMA)
    assert fdg.clicks.exists()
    assert fdg.organs.exists()
    assert psma.clicks is psma.organs is None
    assert [study.name for study in find_studies(tmp_path / "data", tracer=Tracer.PSMA)] == ["psma_b_1"]


def test_autopets_folders(tmp_path):
    for name in ("CTres", "SUV", "SEG"):
        image(tmp_path / "STS_001" / f"{name}.nii.gz")
    (study,) = find_studies(tmp_path, tracer=Tracer.FDG)  # it does not say its tracer, so it may be of any
    assert (study.name, study.ct.name, study.tracer) == ("STS_001", "CTres.nii.gz", None)


def test_a_missing_mask_is_named(tmp_path):
    nnunet_case(tmp_path, "a")
    nnunet_case(tmp_path, "b", value=2.0)
    (tmp_path / "labelsTr" / "b.nii.gz").unlink()
    with pytest.raises(DataError, match=r"has CT, PET and lesion mask.*not so: b \(b.nii.gz\); add the file"):
        find_studies(tmp_path)


def test_a_mask_on_another_grid_is_named(tmp_path):
    nnunet_case(tmp_path, "a")
    nnunet_case(tmp_path, "b", value=2.0, spacing=(2.0, 2.0, 3.1))
    with pytest.raises(DataError, match=r"on the grid of their PET; not so: b \(b.nii.gz\); resample"):
        find_studies(tmp_path)


def test_a_case_that_is_there_twice_is_named(tmp_path):
    nnunet_case(tmp_path, "a")
    image(tmp_path / "imagesTr" / "a_0001.mha")
    with pytest.raises(DataError, match="each case is there once; not so: a; remove"):
        find_studies(tmp_path)


def test_a_study_under_two_names_is_named(tmp_path):
    nnunet_case(tmp_path, "a")
    nnunet_case(tmp_path, "c", value=3.0)
    nnunet_case(tmp_path, "b")
    shutil.copy(tmp_path / "imagesTr" / "a_0001.nii.gz", tmp_path / "imagesTr" / "b_0001.nii.gz")
    with pytest.raises(DataError, match="a and b have the same PET"):
        find_studies(tmp_path)


def test_a_name_that_nnunet_cannot_take_is_named(tmp_path):
    nnunet_case(tmp_path, "a b")
    with pytest.raises(DataError, match="a b; rename"):
        find_studies(tmp_path)


def test_what_is_no_image_is_named(tmp_path):
    nnunet_case(tmp_path, "a")
    (tmp_path / "labelsTr" / "a.nii.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.nii\.gz must be a 3-D image"):
        find_studies(tmp_path)


def test_at_most_five_are_named(tmp_path):
    for i in range(7):
        nnunet_case(tmp_path, f"c{i}", value=i)
        (tmp_path / "labelsTr" / f"c{i}.nii.gz").unlink()
    with pytest.raises(DataError, match=r"c4 .* and 2 more"):
        find_studies(tmp_path)


def test_the_tracer_in_a_name():
    assert tracer_of("FDG_a_1") is Tracer.FDG
    assert tracer_of("psma_a_1") is Tracer.PSMA
    assert tracer_of("psmafdg") is None
