# SPDX-License-Identifier: Apache-2.0
import pytest

from petlesion.dicom.choice import choose
from petlesion.dicom.faults import DicomError
from petlesion.dicom.study import find_study
from petlesion.dicom.wishes import DicomWishes
from test.dicom.objects import SECONDARY, ct_series, file_of, pet_header, pet_series, place, save


@pytest.fixture
def study(tmp_path):
    """A PET and a CT that belong together."""
    pet_series(tmp_path / "pet")
    ct_series(tmp_path / "ct")
    return tmp_path


def chosen(folder, **wishes):
    choice = choose(find_study(folder), DicomWishes(**wishes))
    return choice.pet.uid, choice.ct.uid


def refusal(folder, **wishes):
    with pytest.raises(DicomError) as caught:
        choose(find_study(folder), DicomWishes(**wishes))
    return str(caught.value)


RIGHT = ("1.2.3.1", "1.2.3.2")


def test_the_one_pair(study):
    assert chosen(study) == RIGHT
    assert choose(find_study(study), DicomWishes()).warnings == ()


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (pet_series, {"CorrectedImage": ["DECY"], "SeriesDescription": "PET NAC"}),
        (pet_series, {"CorrectedImage": None, "SeriesDescription": "WB_NAC"}),
        (pet_series, {"CorrectedImage": None, "AttenuationCorrectionMethod": "NONE"}),
        (pet_series, {"SeriesType": ["WHOLE BODY", "REPROJECTION"]}),
        (pet_series, {"SeriesType": ["GATED", "IMAGE"]}),
        (pet_series, {"SeriesType": ["DYNAMIC", "IMAGE"]}),
        (pet_series, {"ImageType": ["DERIVED", "PRIMARY", "MIP"]}),
        (pet_series, {"ImageType": ["DERIVED", "SECONDARY"]}),
        (pet_series, {"ImageType": ["DERIVED", "PRIMARY"]}),
        (pet_series, {"places_mm": (0.0, 3.0)}),
        (ct_series, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        (ct_series, {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}),
        (ct_series, {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}),
        (ct_series, {"FrameOfReferenceUID": "1.2.3.8"}),
        (ct_series, {"PatientID": "another"}),
        (ct_series, {"places_mm": (0.0, 3.0, 6.0)}),
        (ct_series, {"places_mm": (6.0,)}),
        (ct_series, {"SamplesPerPixel": 3}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "-".join(map(str, value.values())),
)
def test_what_lies_beside_is_left_alone(study, make, changes):
    make(study / "beside", **{"SeriesInstanceUID": "1.2.3.5"} | changes)
    assert chosen(study) == RIGHT


def test_other_objects_are_left_alone(study):
    save(file_of(SECONDARY), study / "beside")
    save(file_of("1.2.840.10008.5.1.4.1.1.88.67"), study / "beside")  # a dose report
    found = find_study(study)
    assert found.others == 2
    assert chosen(study) == RIGHT


def test_pictures_within_a_series_are_left_out(study):
    save(place(pet_header(ImageType=["DERIVED", "SECONDARY", "MIP"]), 50.0), study / "pet", "mip")
    assert len(choose(find_study(study), DicomWishes()).pet.planes) == 4


def test_two_that_fit_are_refused_with_their_names(study):
    pet_series(study / "second", SeriesInstanceUID="1.2.3.6", SeriesDescription="PET TOF")
    text = refusal(study)
    assert "2 fit: PET series 1.2.3.1 (PET AC, 4 slices); PET series 1.2.3.6 (PET TOF, 4 slices)" in text
    assert "choose one with --pet-series UID" in text
    assert chosen(study, pet_series="1.2.3.6") == ("1.2.3.6", "1.2.3.2")


def test_two_cts_are_refused_or_told_by_the_attenuation_correction(study):
    ct_series(study / "lung", SeriesInstanceUID="1.2.3.6", SeriesDescription="Lung")
    assert "--ct-series UID" in refusal(study)
    assert chosen(study, ct_series="1.2.3.6") == ("1.2.3.1", "1.2.3.6")
    ct_series(study / "ac", SeriesInstanceUID="1.2.3.4", SeriesDescription="CT_AC 3mm")
    assert chosen(study) == ("1.2.3.1", "1.2.3.4")


def test_a_ct_of_another_frame_is_taken_with_a_warning_where_none_shares_it(tmp_path):
    pet_series(tmp_path)
    ct_series(tmp_path, FrameOfReferenceUID="1.2.3.8")
    choice = choose(find_study(tmp_path), DicomWishes())
    assert "Frame of Reference UID (0020,0052)" in choice.warnings[0]


def test_a_ct_elsewhere_is_refused(tmp_path):
    pet_series(tmp_path)
    ct_series(tmp_path, (100.0, 103.0, 106.0))
    assert "less than half of PET series 1.2.3.1" in refusal(tmp_path)


def test_a_missing_one_is_refused_with_what_is_there(tmp_path):
    pet_series(tmp_path, CorrectedImage=["DECY"])
    assert "PET series 1.2.3.1 (PET AC, 4 slices) is not corrected for attenuation" in refusal(tmp_path)
    assert "there is no CT at all" in refusal(tmp_path, pet_series="1.2.3.1")


def test_gated_and_dynamic_are_refused_by_name(tmp_path):
    pet_series(tmp_path, SeriesType=["GATED", "IMAGE"])
    assert "is gated (Series Type (0054,1000)), which is not segmented" in refusal(tmp_path)


def test_a_uid_that_is_not_there_is_refused_with_those_that_are(study):
    assert "1.2.9 is none; there are: PET series 1.2.3.1" in refusal(study, pet_series="1.2.9")


def test_a_copied_folder_is_no_second_study(study):
    for path in list((study / "pet").iterdir()):
        (study / "ct" / f"copy of {path.name}").write_bytes(path.read_bytes())
    choice = choose(find_study(study), DicomWishes())
    assert len(choice.pet.planes) == 4
    assert "4 slices of the study lie there twice" in choice.warnings[0]


def test_several_patients_are_never_mixed(tmp_path):
    pet_series(tmp_path)
    ct_series(tmp_path, PatientID="another")
    text = refusal(tmp_path)
    assert "PET and CT must be of one patient" in text
    assert "another" not in text
