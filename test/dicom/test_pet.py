# SPDX-License-Identifier: Apache-2.0
"""80 kg, 400 MBq, one hour of F-18: the factor is 80000 / (400e6 2^(-3600 / 6586.2)) = 2.9211e-4."""

import numpy as np
import pytest
from pydicom.sequence import Sequence

from petlesion.dicom.choice import choose_pet
from petlesion.dicom.faults import DicomError
from petlesion.dicom.pet import suv_pet
from petlesion.dicom.study import find_study
from petlesion.dicom.wishes import DicomWishes
from test.dicom.objects import drug, enhanced_pet, map_item, map_object, pet_header, pet_series, place, save

FACTOR = 80000 / (400e6 * 2 ** (-3600 / 6586.2))


def pet_of(folder, **wishes):
    study = find_study(folder)
    return suv_pet(choose_pet(study.series), study.maps, DicomWishes(**wishes))


def column(pet):
    return pet.volume.array_zyx[:, 0, 0]


def slices_with_slopes(folder, slopes=(1.0, 2.0, 4.0), **changes):
    """Slices of 100 with slopes of their own."""
    headers = [place(pet_header(RescaleSlope=slope, **changes), 3.0 * k) for k, slope in enumerate(slopes)]
    for k, header in enumerate(headers):
        save(header, folder, f"{k}")
    return headers


def test_each_slice_by_its_own_slope(tmp_path):
    slices_with_slopes(tmp_path)
    assert column(pet_of(tmp_path)) == pytest.approx(FACTOR * np.array([100, 200, 400]), rel=1e-6)


def test_a_multi_frame_pet(tmp_path):
    enhanced_pet(tmp_path)
    pet = pet_of(tmp_path)
    assert column(pet) == pytest.approx(FACTOR * np.array([5, 10, 15, 20]), rel=1e-6)
    assert "Decay Correction DateTime (0018,9701)" in pet.rule
    assert pet.volume.grid.spacing_mm == (2, 4, 3)


def test_a_multi_frame_pet_that_is_not_decay_corrected_is_of_its_frames_moments(tmp_path):
    enhanced_pet(tmp_path, DecayCorrected="NO", DecayCorrectionDateTime=None)
    factor = 80000 / (400e6 * 2 ** (-3660 / 6586.2))  # 11:01
    assert column(pet_of(tmp_path)) == pytest.approx(factor * np.array([5, 10, 15, 20]), rel=1e-6)


def test_the_maps_of_stored_values_as_the_standard_has_them(tmp_path):
    maps = [Sequence([map_item(slope * FACTOR)]) for slope in (1.0, 2.0, 4.0)]
    for k, slope in enumerate((1.0, 2.0, 4.0)):
        header = pet_header(RescaleSlope=slope, RealWorldValueMappingSequence=maps[k])
        save(place(header, 3.0 * k), tmp_path, f"{k}")
    pet = pet_of(tmp_path)
    assert column(pet) == pytest.approx(FACTOR * np.array([100, 200, 400]), rel=1e-6)
    assert pet.rule == "real-world-value map to SUV by body weight, of stored values"
    assert pet.warnings == ()


@pytest.mark.parametrize("changes", [{}, {"PatientWeight": None}], ids=["checked-by-the-header", "alone"])
def test_the_map_object_of_a_tool_takes_rescaled_values(tmp_path, changes):
    headers = slices_with_slopes(tmp_path, **changes)
    map_object(tmp_path, headers, FACTOR)
    pet = pet_of(tmp_path)
    assert column(pet) == pytest.approx(FACTOR * np.array([100, 200, 400]), rel=1e-6)
    assert pet.rule == "real-world-value map to SUV by body weight, of rescaled values"


def test_a_map_that_differs_from_the_header_is_taken_with_a_warning(tmp_path):
    map_object(tmp_path, slices_with_slopes(tmp_path), 1.1 * FACTOR)
    pet = pet_of(tmp_path)
    assert column(pet) == pytest.approx(1.1 * FACTOR * np.array([100, 200, 400]), rel=1e-6)
    assert "10.0% off what the header gives" in pet.warnings[0]


def test_maps_of_other_units_and_of_other_images_are_left_alone(tmp_path):
    headers = slices_with_slopes(tmp_path)
    map_object(tmp_path, headers, 7.0, "{SUVibw}g/ml")
    assert "Bq/ml" in pet_of(tmp_path).rule
    map_object(tmp_path, headers[:2], 7.0)
    assert "Bq/ml" in pet_of(tmp_path).rule


def test_a_map_to_bqml_stands_in_for_missing_units(tmp_path):
    for k in range(3):
        header = pet_header(Units=None, RealWorldValueMappingSequence=Sequence([map_item(3.0, "Bq/ml")]))
        save(place(header, 3.0 * k), tmp_path, f"{k}")
    assert column(pet_of(tmp_path)) == pytest.approx([300 * FACTOR] * 3, rel=1e-6)


def test_the_users_word_goes_before_the_map(tmp_path):
    map_object(tmp_path, slices_with_slopes(tmp_path), 7.0)
    pet = pet_of(tmp_path, weight_kg=40)
    assert column(pet)[0] == pytest.approx(50 * FACTOR)
    assert pet.rule.endswith("(by --weight-kg)")


def test_slices_that_disagree_are_refused_by_what_differs(tmp_path):
    pet_series(tmp_path, (0.0, 3.0, 6.0))
    other = pet_header(
        PatientWeight=90, RadiopharmaceuticalInformationSequence=Sequence([drug(RadionuclideTotalDose=1e8)])
    )
    save(place(other, 9.0), tmp_path, "other")
    with pytest.raises(DicomError, match="differ in weight_kg, dose"):
        pet_of(tmp_path)


def test_ges_private_scan_time_is_found_with_and_without_its_creator(tmp_path):
    for k in range(3):
        header = pet_header(SeriesTime="130000", Manufacturer="GE MEDICAL SYSTEMS")
        block = header.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", "20200102110000.00")
        save(place(header, 3.0 * k), tmp_path, f"{k}")
    pet = pet_of(tmp_path)
    assert "GE's private scan date and time (0009,100D)" in pet.rule
    assert column(pet) == pytest.approx([100 * FACTOR] * 3, rel=1e-6)


@pytest.mark.parametrize("creator", ["Philips PET Private Group", None])
def test_philips_private_factor_is_found_with_and_without_its_creator(tmp_path, creator):
    for k in range(3):
        header = pet_header(Units="CNTS", Manufacturer="Philips")
        if creator:
            header.private_block(0x7053, creator, create=True).add_new(0x00, "DS", "0.25 ")
        else:
            header.add_new(0x70531000, "UN", b"0.25 ")
        save(place(header, 3.0 * k), tmp_path, f"{k}")
    assert column(pet_of(tmp_path)).tolist() == [25, 25, 25]


def test_an_uncorrected_pet_that_the_user_chose_is_told(tmp_path):
    pet_series(tmp_path, CorrectedImage=["DECY"])
    study = find_study(tmp_path)
    pet = suv_pet(study.series[0], {}, DicomWishes())
    assert pet.warnings == ("the chosen PET is not corrected for attenuation",)
