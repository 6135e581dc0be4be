# SPDX-License-Identifier: Apache-2.0
"""What lies in the folder after a review."""

from __future__ import annotations

import json
import re

import highdicom as hd
import numpy as np
import pydicom
import pytest

from petlesion.case import Admission, PetCtCase
from petlesion.dicom_out.series import SeriesError
from petlesion.images import OutputError, read_image
from petlesion.lesions import LesionMask, measure_lesions
from petlesion.read_options import ReadOptions
from petlesion.report import mask_report
from petlesion.review.saving import Folder
from petlesion.review.session import Answer, Click, PackedMask, Snapshot
from petlesion.review.source import Source
from petlesion.volume import Volume
from test.dicom.objects import SECRETS, phantom_study
from test.dicom_out.series import GRID as SERIES_GRID
from test.dicom_out.series import NAMES, pet_slices
from test.review.conftest import GRID, LARGE, SMALL, answer_of, box

CLICKS = (Click(1, "tumor", (1, 1, 1)),)


@pytest.fixture
def snapshot():
    return Snapshot.first(CLICKS, answer_of(box(LARGE, SMALL))).with_lesion(2, kept=False)


def admission(**origin):
    pet = Volume(np.arange(960, dtype=np.float32).reshape(GRID.shape_zyx) / 96, GRID)
    return Admission(PetCtCase("a case", Volume(np.zeros(GRID.shape_zyx, np.float32), GRID), pet), (), origin)


@pytest.fixture
def study(tmp_path):
    """A study with the series that lies on GRID in a folder of its own, and another one; its series' UID."""
    assert SERIES_GRID == GRID
    for name in ("pet", "other"):
        slices = pet_slices()
        for one in slices:
            (tmp_path / "study" / name).mkdir(parents=True, exist_ok=True)
            one.save_as(tmp_path / "study" / name / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
        if name == "pet":
            uid = str(slices[0].SeriesInstanceUID)
    (tmp_path / "study" / "notes.txt").write_text("no DICOM")
    return tmp_path / "study", uid


def test_numbers_are_those_of_the_mask_on_the_screen(snapshot, tmp_path):
    names = Folder(tmp_path, Source()).save(snapshot, admission())
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    mask = read_image(tmp_path / "mask.nii.gz")
    assert np.array_equal(mask.array_zyx > 0, box(LARGE))
    report = json.loads((tmp_path / "report.json").read_text())
    assert [one["n_voxels"] for one in report["lesions"]] == [24]
    assert report["n_lesions"] == 1
    assert len((tmp_path / "lesions.csv").read_text().splitlines()) == 2
    assert "a case" in (tmp_path / "report.html").read_text()


def test_of_a_case_from_dicom_objects_are_written_too(snapshot, study, tmp_path):
    folder, uid = study
    names = Folder(tmp_path / "out", Source(study=folder)).save(snapshot, admission(pet_series=uid))
    assert names[-2:] == ("seg.dcm", "sr.dcm")
    segments = hd.seg.segread(tmp_path / "out" / "seg.dcm")
    assert int(segments.pixel_array.sum()) == 24
    assert segments.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert segments.PatientName == NAMES[0]
    report = pydicom.dcmread(tmp_path / "out" / "sr.dcm")
    assert report.Modality == "SR"


def _words(path):
    """A text without its pictures, whose letters mean nothing."""
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text())


def test_a_study_from_its_reading_to_its_objects(toy_case, tmp_path):
    source = Source(study=phantom_study(tmp_path / "Doe_Jane", toy_case.phantom))
    for path in [path for path in source.study.rglob("*") if path.is_file()]:
        one = pydicom.dcmread(path)
        one.SliceThickness = 10  # which objects of others have, and those of the tests of reading do not
        one.save_as(path)
    read = source.read("a review", ReadOptions())
    inside = toy_case.phantom.truth.array_zyx > 0
    lesions = measure_lesions(LesionMask.of(inside, read.case.grid), read.case.pet_suv)
    answer = Answer(PackedMask.of(inside), lesions, mask_report(lesions, case_name=read.case.name))
    names = Folder(tmp_path / "out", source).save(Snapshot.first((), answer), read)
    assert names[-2:] == ("seg.dcm", "sr.dcm")
    segments = hd.seg.segread(tmp_path / "out" / "seg.dcm")
    assert int(segments.pixel_array.sum()) == inside.sum()
    assert segments.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"  # nobody clicked
    texts = [_words(tmp_path / "out" / name) for name in ("report.json", "lesions.csv", "report.html")]
    assert [secret for secret in SECRETS for text in texts if secret in text] == []


def test_anonymous_objects_name_nobody(snapshot, study, tmp_path):
    folder, uid = study
    Folder(tmp_path / "out", Source(study=folder), anonymise=True).save(snapshot, admission(pet_series=uid))
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert [name for name in NAMES if name.encode() in content] == []


def test_where_the_series_is_gone_the_other_files_are_there(snapshot, study, tmp_path):
    folder, _ = study
    with pytest.raises(SeriesError, match="found none"):
        Folder(tmp_path / "out", Source(study=folder)).save(snapshot, admission(pet_series="1.2.3"))
    assert (tmp_path / "out" / "mask.nii.gz").exists()
    assert (tmp_path / "out" / "report.html").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="saved into a folder"):
        Folder(tmp_path / "file" / "out", Source()).check()
    Folder(tmp_path / "new" / "out", Source()).check()
    assert (tmp_path / "new" / "out").is_dir()
