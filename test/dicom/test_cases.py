# SPDX-License-Identifier: Apache-2.0
"""Whole cases: a study's folder on the command line, image sets in the platform's sockets, and the real data."""

import json
import time

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.sequence import Sequence

from petlesion import cli, entry
from petlesion.case import CaseError
from petlesion.challenge import read_case, read_pet
from petlesion.dicom.choice import choose
from petlesion.dicom.intake import read_pet_folder
from petlesion.dicom.pet import slice_scales, suv_pet
from petlesion.dicom.stack import ordered
from petlesion.dicom.study import find_study
from petlesion.dicom.wishes import DicomWishes
from petlesion.images import read_image
from petlesion.metrics import dice
from petlesion.phantom.files import write_phantom
from test.dicom.objects import SECRETS, code, ct_series, drug, pet_series, phantom_study
from test.real_data import SHARED_DATA

OBJECTS, REAL = SHARED_DATA / "suv" / "reference_objects", SHARED_DATA / "dicom"
needs_objects = pytest.mark.skipif(not OBJECTS.is_dir(), reason="the reference objects are not beside the repository")
needs_dicom = pytest.mark.skipif(not REAL.is_dir(), reason="the real DICOM studies are not beside the repository")
NAMES = ("0_0", "1_0", "2_0", "2_4", "3_0", "3_1", "3_2", "4_0", "4_2", "5_0")


@pytest.fixture(scope="module")
def toy_study(toy_case, tmp_path_factory):
    return phantom_study(tmp_path_factory.mktemp("Doe_Jane"), toy_case.phantom)


def run(*words):
    return cli.main([str(word) for word in words])


def test_a_study_gives_the_mask_that_its_files_give_and_tells_nothing_of_the_patient(
    toy_study, toy_case, toy_weights, tmp_path, capsys
):
    common = ("--weights", toy_weights, "--depth", "1", "--device", "cpu", "--folds", "0")
    outputs = "--out", tmp_path / "mask.nii.gz", "--report", tmp_path / "report.json"
    assert run("segment", "--dicom", toy_study, *outputs, *common) == 0
    said = capsys.readouterr()
    text = (tmp_path / "report.json").read_text()
    assert [secret for secret in SECRETS if secret in text + said.out + said.err] == []
    [ct], [pet] = ((toy_case.input_dir / "images" / kind).iterdir() for kind in ("ct", "pet"))
    assert run("segment", "--ct", ct, "--pet", pet, "--out", tmp_path / "files.nii.gz", *common) == 0
    ours, theirs = (read_image(tmp_path / name) for name in ("mask.nii.gz", "files.nii.gz"))
    assert ours.grid.same_as(theirs.grid, 1e-3)
    assert theirs.array_zyx.any()
    assert dice(ours.array_zyx > 0, theirs.array_zyx > 0) >= 0.98
    report = json.loads(text)
    assert report["dicom"]["pet_series"] == "1.2.3.1"
    assert report["dicom"]["suv_rule"].startswith("Bq/ml, decay-corrected to the scan's start")
    assert report["tracer"]["recorded"] == "FDG"


def test_a_case_is_given_one_way(tmp_path, capsys):
    out = "--out", tmp_path / "mask.mha"
    assert run("segment", *out) == 2
    assert run("segment", "--dicom", tmp_path, "--ct", tmp_path, *out) == 2
    assert "either --dicom STUDY, or --ct FILE with --pet FILE" in capsys.readouterr().err


def test_a_faulty_study_is_bad_input_in_one_sentence(tmp_path, toy_weights, capsys):
    pet_series(tmp_path / "study", PatientWeight=None)
    ct_series(tmp_path / "study")
    words = "segment", "--dicom", tmp_path / "study", "--out", tmp_path / "m.mha", "--weights", toy_weights
    assert run(*words) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert "Patient's Weight (0010,1030)" in last
    assert "--weight-kg" in last


@pytest.mark.parametrize("option", ["--weight-kg=0", "--injected-at=noon", "--decay-correction=LATE"])
def test_an_option_out_of_range_is_a_usage_error(tmp_path, option):
    words = ("segment", "--dicom", tmp_path, "--out", tmp_path / "m.mha", option)
    try:
        status = run(*words)
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2


def test_options_reach_the_suv(tmp_path):
    pet_series(tmp_path, PatientWeight=None, RadiopharmaceuticalInformationSequence=None)
    wishes = DicomWishes(weight_kg=80, dose_mbq=400, decay_correction="ADMIN")
    found = read_pet_folder(tmp_path, wishes)
    assert found.volume.array_zyx[:, 0, 0] == pytest.approx(np.array([1, 2, 3, 4]) / 5000)


def test_another_radiopharmaceutical_is_told(tmp_path):
    other = drug(
        Radiopharmaceutical="DOTATATE", RadiopharmaceuticalCodeSequence=Sequence([code("1", "Ga-68 DOTATATE")])
    )
    pet_series(tmp_path, RadiopharmaceuticalInformationSequence=Sequence([other]))
    found = read_pet_folder(tmp_path, DicomWishes())
    assert found.tracer is None
    assert "names 'Ga-68 DOTATATE' as radiopharmaceutical" in found.warnings[0]


def sockets(toy_case, toy_study, folder, sets=("ct", "pet"), places=None):
    """The platform's input folder, some of its sockets with image sets: one file an image."""
    write_phantom(toy_case.phantom, folder, toy_case.clicks)
    input_dir = folder / "input"
    for kind, name in (("pet", "S1"), ("ct", "S2")):
        if kind in sets:
            place = input_dir / (places or {}).get(kind, f"images/{kind}")
            place.mkdir(parents=True, exist_ok=True)
            for path in list(place.iterdir()):
                path.unlink()
            for path in (toy_study / name).iterdir():
                (place / f"{path.name}.dcm").symlink_to(path)
    return input_dir


def test_an_image_set_beside_an_image_file_is_the_same_case(toy_case, toy_study, tmp_path):
    expected = read_case(toy_case.input_dir).case
    case = read_case(sockets(toy_case, toy_study, tmp_path, ("pet",))).case
    assert case.clicks == expected.clicks
    assert case.grid.same_as(expected.grid, 1e-3)
    assert case.pet_suv.array_zyx == pytest.approx(np.maximum(expected.pet_suv.array_zyx, 0), abs=0.01)


def test_the_entry_takes_image_sets_from_where_inputs_json_says(toy_case, toy_study, toy_weights, tmp_path):
    places = {"ct": "images/ct-dicom", "pet": "images/pet-dicom"}
    input_dir, output = sockets(toy_case, toy_study, tmp_path, places=places), tmp_path / "output"
    output.mkdir()
    listed = [
        {"socket": {"slug": kind, "relative_path": path, "kind": "DICOM Image Set"}, "image": {"name": "x"}}
        for kind, path in places.items()
    ]
    (input_dir / "inputs.json").write_text(json.dumps(listed))
    words = ["--input", str(input_dir), "--output", str(output), "--weights", str(toy_weights), "--depth", "1"]
    assert entry.main([*words, "--folds", "0"], started_s=time.monotonic()) == 0
    [mask] = (output / "images" / "tumor-lesion-segmentation").iterdir()
    assert mask.name == "1.2.3.2.mha"
    assert sitk.ReadImage(str(mask)).GetSize() == toy_case.phantom.pet_suv.grid.size_xyz


def test_a_mask_of_last_resort_needs_no_suv(tmp_path):
    pet_series(tmp_path / "images" / "pet", PatientWeight=None)
    name, pet, clicks, _ = read_pet(tmp_path)
    assert name == "1.2.3.1"
    assert pet.array_zyx[:, 0, 0].tolist() == [1, 2, 3, 4]
    assert len(clicks) == 0
    with pytest.raises(CaseError):
        read_case(tmp_path)


@needs_objects
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_objects_give_their_suv_to_one_percent(name):
    folder = OBJECTS / f"DRO_{name}"
    suv = read_pet_folder(folder / "PT", DicomWishes()).volume.array_zyx
    inside = suv[sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "mask" / "DRO_mask.nii.gz"))) > 0]
    assert [inside.min(), np.median(inside), inside.max()] == pytest.approx([0.2, 1.0, 4.0], rel=0.01)


@needs_dicom
def test_the_real_torso_is_what_others_made_of_it():
    """Its map object: another tool's factor, 0.000255764; its NIfTI: another tool's conversion."""
    study = find_study(REAL / "CCTH-A01")
    choice = choose(study, DicomWishes())
    pet, ct = choice.pet, choice.ct
    assert (len(pet.planes), len(ct.planes)) == (234, 296)
    computed, _ = slice_scales(pet, ordered(pet), {}, DicomWishes())
    assert computed.factors == pytest.approx((0.000255764,) * 234, rel=1e-5)
    volume = suv_pet(pet, study.maps, DicomWishes()).volume
    theirs = read_image(SHARED_DATA / "petct_torso" / "CCTH-A01" / "SUV.nii.gz")
    assert volume.grid.same_as(theirs.grid)
    assert np.abs(volume.array_zyx - theirs.array_zyx).max() < 1e-4


@needs_dicom
def test_the_real_sarcoma_is_what_others_made_of_it():
    """267 slices of 267 slopes; the other set is a crop of 41 x 43 x 59 voxels around the tumour."""
    ours = read_pet_folder(REAL / "STS_001_wb", DicomWishes()).volume
    folder = SHARED_DATA / "petct_sts" / "STS_001"
    theirs, tumour = read_image(folder / "SUV.nii.gz"), read_image(folder / "SEG.nii.gz")
    index = ours.grid.index_of(theirs.grid.origin_mm)
    x, y, z = np.rint(index).astype(int)
    assert np.abs(np.subtract(index, (x, y, z))).max() < 1e-3
    crop = ours.array_zyx[z : z + 59, y : y + 43, x : x + 41]
    assert np.abs(crop - theirs.array_zyx).max() < 1e-3
    assert crop[tumour.array_zyx > 0].max() == pytest.approx(7.9107, abs=1e-4)
