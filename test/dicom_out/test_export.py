# SPDX-License-Identifier: Apache-2.0
"""Objects as others see them: the standard's validator, dcmqi and highdicom's own reader."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from petlesion.dicom.intake import read_pet_folder
from petlesion.dicom.wishes import DicomWishes
from petlesion.dicom_out.author import Author
from petlesion.dicom_out.export import ExportOptions, objects_of, write_objects
from petlesion.dicom_out.series import MAY_BE_EMPTY, SourceSeries
from petlesion.images import OutputError
from petlesion.lesions import LesionMask, measure_lesions
from test.dicom.objects import changed
from test.dicom_out.series import GRID, NAMES, mask_and_pet, pet_slices
from test.real_data import SHARED_DATA

# two lesions: three voxels in a row, and one far away
VOXELS = ((2, 3, 1), (3, 3, 1), (4, 3, 2), (9, 8, 6))
needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
needs_dicom = pytest.mark.skipif(
    not (SHARED_DATA / "dicom").is_dir(), reason="the real DICOM studies are not beside the repository"
)
DCMQI = Path(sys.executable).parent


def exported(folder, *voxels, changes=(), **options):
    """The files of an export by name, with the lesions and the series, whose header may be changed (None: left out)."""
    mask, pet = mask_and_pet(*voxels)
    lesions = measure_lesions(mask, pet)
    series = SourceSeries.of([changed(one, dict(changes)) for one in pet_slices()])
    for one in series.slices:
        one.save_as(folder / f"pet_{one.InstanceNumber}.dcm", enforce_file_format=True)
    paths = write_objects(objects_of(series, mask, lesions, ExportOptions(**options)), folder / "out")
    return {path.stem: path for path in paths}, lesions, series


def errors_of(path):
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


@needs_dciodvfy
@pytest.mark.parametrize("voxels", [VOXELS, ()], ids=["lesions", "empty"])
@pytest.mark.parametrize(
    "options",
    [{"contours": True}, {"per_lesion": True, "anonymise": True, "contours": True}],
    ids=["one", "per lesion"],
)
def test_the_validator_finds_no_error(tmp_path, voxels, options):
    files, _, _ = exported(tmp_path, *voxels, **options)
    for path in files.values():
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []
        assert done.returncode == 0


# What de-identification takes away and the standard wants to be there, if empty; highdicom fails without.
LACKING = dict.fromkeys(MAY_BE_EMPTY) | {"SliceThickness": None}


@needs_dciodvfy
@pytest.mark.parametrize("anonymise", [False, True])
def test_a_series_that_lacks_what_may_be_empty_gives_valid_objects(tmp_path, anonymise):
    files, _, _ = exported(tmp_path, *VOXELS, changes=LACKING, contours=True, anonymise=anonymise)
    for path in files.values():
        assert errors_of(path) == []
        assert pydicom.dcmread(path).PatientName == ""


@pytest.mark.parametrize("thickness", [1.5, 9.0])
def test_the_volume_that_others_read_does_not_hang_on_the_slices_thickness(tmp_path, thickness):
    """Slices 3 mm apart but for 0.06 mm, as real ones are: four voxels of 4 x 5 x 3 mm are 0.24 ml."""
    mask, pet = mask_and_pet(*VOXELS)
    slices = [changed(one, {"SliceThickness": thickness}) for one in SourceSeries.of(pet_slices()).slices]
    for one in (slices[2], slices[5]):
        x, y, z = map(float, one.ImagePositionPatient)
        one.ImagePositionPatient = [x, y, z + 0.06]
    made = objects_of(SourceSeries.of(slices), mask, measure_lesions(mask, pet), ExportOptions())
    write_objects(made, tmp_path / "out")
    (image,) = read_by_dcmqi(tmp_path / "out" / "seg.dcm", tmp_path / "read").values()
    assert len(voxels_of(image)) * np.prod(image.GetSpacing()) / 1000 == pytest.approx(0.24, rel=1e-4)
    assert slices[0].SliceThickness == thickness


def read_by_dcmqi(segmentation, folder):
    """Each segment as dcmqi writes it, by its number: SimpleITK images."""
    folder.mkdir()
    command = [DCMQI / "segimage2itkimage", "--inputDICOM", segmentation, "--outputDirectory", folder, "-t", "nrrd"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return {int(path.stem.split("-")[-1]): sitk.ReadImage(str(path)) for path in folder.glob("*.nrrd")}


def voxels_of(image):
    """World positions in mm of an image's non-zero voxels, in order."""
    found = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1].tolist()
    return sorted(tuple(round(c, 3) for c in image.TransformIndexToPhysicalPoint(index)) for index in found)


def test_dcmqi_reads_the_same_voxels_and_volume(tmp_path):
    files, lesions, _ = exported(tmp_path, *VOXELS)
    (image,) = read_by_dcmqi(files["seg"], tmp_path / "read").values()
    assert voxels_of(image) == sorted(GRID.world_mm(voxel) for voxel in VOXELS)
    volume_ml = len(voxels_of(image)) * np.prod(image.GetSpacing()) / 1000
    assert volume_ml == pytest.approx(sum(lesion.volume_ml for lesion in lesions), rel=1e-3)


def test_dcmqi_reads_each_lesion_as_a_segment_of_its_own(tmp_path):
    files, _, _ = exported(tmp_path, *VOXELS, per_lesion=True)
    images = read_by_dcmqi(files["seg"], tmp_path / "read")
    assert voxels_of(images[1]) == sorted(GRID.world_mm(voxel) for voxel in VOXELS[:3])
    assert voxels_of(images[2]) == [GRID.world_mm(VOXELS[3])]


def test_segments_say_what_they_are_and_refer_to_every_slice(tmp_path):
    files, _, series = exported(tmp_path, *VOXELS, author=Author("mesbah", guided=True))
    read = hd.seg.segread(files["seg"])
    (segment,) = read.SegmentSequence
    assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmParameters) == ("petlesion", "recipe=mesbah")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
    assert {uids[2] for uids in read.get_source_image_uids()} == {one.SOPInstanceUID for one in series.slices}


def test_an_empty_mask_is_a_segmentation_of_nothing_and_a_report_of_no_lesion(tmp_path):
    files, _, _ = exported(tmp_path, per_lesion=True)
    read = hd.seg.segread(files["seg"])
    assert read.number_of_segments == 1
    assert not read.pixel_array.any()
    assert figures_in(files["sr"]) == {"No lesion": {("118565006", "126030"): (0, "cm3"), ("126033",): (0, "g")}}


def figures_in(report):
    """{tracking identifier: {(name, modifier): (value, unit)}} of a report, read by hand from its tree."""
    content = pydicom.dcmread(report).ContentSequence
    groups = [
        group
        for item in content
        if meaning(item) == "Imaging Measurements"
        for group in item.get("ContentSequence", [])
    ]
    return {tracking(group): dict(map(figure, numbers(group))) for group in groups}


def meaning(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


def tracking(group):
    return next(item.TextValue for item in group.ContentSequence if meaning(item) == "Tracking Identifier")


def numbers(group):
    return [item for item in group.ContentSequence if item.ValueType == "NUM"]


def figure(item):
    (measured,) = item.MeasuredValueSequence
    of = [one.ConceptCodeSequence[0].CodeValue for one in item.get("ContentSequence", [])]
    name = item.ConceptNameCodeSequence[0].CodeValue
    return (name, *of), (float(measured.NumericValue), measured.MeasurementUnitsCodeSequence[0].CodeValue)


@pytest.mark.parametrize("per_lesion", [False, True])
def test_the_report_holds_each_lesions_figures_in_their_units(tmp_path, per_lesion):
    files, lesions, _ = exported(tmp_path, *VOXELS, per_lesion=per_lesion)
    figures = figures_in(files["sr"])
    assert list(figures) == ["Lesion 1", "Lesion 2"]
    for lesion, found in zip(lesions, figures.values(), strict=True):
        assert found == {
            ("118565006", "126030"): (pytest.approx(lesion.volume_ml), "cm3"),
            ("126401", "56851009"): (pytest.approx(lesion.suv_max), "g/ml{SUVbw}"),
            ("126401", "373098007"): (pytest.approx(lesion.suv_mean), "g/ml{SUVbw}"),
            ("126401", "126031"): (pytest.approx(lesion.suv_peak), "g/ml{SUVbw}"),
            ("126033",): (pytest.approx(lesion.tlg), "g"),
        }


def test_dcmqi_reads_the_report(tmp_path):
    files, lesions, _ = exported(tmp_path, *VOXELS, per_lesion=True)
    written = tmp_path / "sr.json"
    command = [DCMQI / "tid1500reader", "--inputDICOM", files["sr"], "--outputMetadata", written]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    groups = json.loads(written.read_text())["Measurements"]
    assert [group["TrackingIdentifier"] for group in groups] == ["Lesion 1", "Lesion 2"]
    assert [group["ReferencedSegment"] for group in groups] == [1, 2]
    volumes = [float(group["measurementItems"][0]["value"]) for group in groups]
    assert volumes == pytest.approx([lesion.volume_ml for lesion in lesions])


def test_lesions_have_the_same_name_in_both_objects(tmp_path):
    files, _, _ = exported(tmp_path, *VOXELS, per_lesion=True)
    segments = pydicom.dcmread(files["seg"]).SegmentSequence
    text = str(pydicom.dcmread(files["sr"]))
    assert all(segment.TrackingUID in text for segment in segments)


def test_the_patient_is_copied_from_the_series(tmp_path):
    files, _, series = exported(tmp_path, *VOXELS)
    for path in files.values():
        read = pydicom.dcmread(path)
        assert (read.PatientName, read.PatientID, read.PatientBirthDate) == NAMES[:3]
        assert read.StudyInstanceUID == series.slices[0].StudyInstanceUID


def test_anonymised_objects_hold_none_of_the_names_and_identifiers(tmp_path):
    files, _, series = exported(tmp_path, *VOXELS, anonymise=True, contours=True)
    for path in files.values():
        content = path.read_bytes()
        assert [name for name in NAMES if name.encode() in content] == []
        assert pydicom.dcmread(path).PatientIdentityRemoved == "YES"
        assert pydicom.dcmread(path).StudyInstanceUID == series.slices[0].StudyInstanceUID
    assert series.slices[0].PatientName == NAMES[0]  # the series itself is left as it is


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="must be written"):
        write_objects({"a.dcm": pet_slices()[0]}, tmp_path / "file" / "out")


@needs_dciodvfy
@needs_dicom
def test_the_real_torsos_objects_are_valid_and_read_back_equal(tmp_path):
    """Its voxels above SUV 6, physiological ones as they are, from the DICOM alone."""
    study = SHARED_DATA / "dicom" / "CCTH-A01" / "PET_images"
    pet = read_pet_folder(study, DicomWishes()).volume
    mask = LesionMask.of(pet.array_zyx > 6, pet.grid)
    lesions = measure_lesions(mask, pet)
    objects = objects_of(SourceSeries.read(study), mask, lesions, ExportOptions(contours=True))
    files = {path.stem: path for path in write_objects(objects, tmp_path / "out")}
    assert {name: errors_of(path) for name, path in files.items()} == {"seg": [], "sr": [], "rtstruct": []}
    (image,) = read_by_dcmqi(files["seg"], tmp_path / "read").values()
    places = [pet.grid.world_mm(tuple(map(int, index[::-1]))) for index in np.argwhere(mask.array_zyx)]
    np.testing.assert_allclose(sorted(voxels_of(image)), sorted(places), atol=0.02)
    theirs_ml = len(places) * np.prod(image.GetSpacing()) / 1000
    assert theirs_ml == pytest.approx(sum(lesion.volume_ml for lesion in lesions), rel=1e-3)
    figures = figures_in(files["sr"])
    written_ml = sum(found["118565006", "126030"][0] for found in figures.values())
    assert written_ml == pytest.approx(theirs_ml, rel=1e-3)
