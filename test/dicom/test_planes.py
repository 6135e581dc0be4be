# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: DTZ001 - DICOM's clocks know no zone
from datetime import datetime

from petlesion.dicom.headers import read_header
from petlesion.dicom.planes import NO_DAY, day_of, first_frame, planes_of
from petlesion.dicom.values import text_of
from test.dicom.objects import enhanced_pet, pet_header, place, save


def test_a_classic_object_is_one_plane(tmp_path):
    path = save(place(pet_header(RescaleSlope=0.5, InstanceNumber=3), 7.0), tmp_path)
    [plane] = planes_of(read_header(path), path)
    assert (plane.frame, plane.slope, plane.intercept, plane.shape) == (None, 0.5, 0.0, (3, 4))
    assert plane.position_mm == (-10, -20, 7)
    assert plane.time.acquired == datetime(2020, 1, 2, 11)
    assert (plane.time.reference_s, plane.time.duration_s) == (0.0, 120.0)


def test_a_multi_frame_object_is_a_plane_for_each_frame(tmp_path):
    path = enhanced_pet(tmp_path)
    planes = planes_of(read_header(path), path)
    assert [plane.frame for plane in planes] == [0, 1, 2, 3]
    assert [plane.position_mm[2] for plane in planes] == [0, 3, 6, 9]
    assert [plane.slope for plane in planes] == [1, 2, 3, 4]
    assert all(plane.spacing_mm == (4, 2) and plane.axes == (1, 0, 0, 0, 1, 0) for plane in planes)
    assert planes[0].time.reference == datetime(2020, 1, 2, 11, 1)
    assert planes[0].time.duration_s == 120


def test_the_first_frames_words_stand_for_the_file(tmp_path):
    header = read_header(enhanced_pet(tmp_path))
    assert text_of(first_frame(header), "RescaleType") == "BQML"
    assert "PerFrameFunctionalGroupsSequence" not in first_frame(header)


def test_a_day_taken_by_de_identification_is_that_of_the_series_or_made_up():
    header = pet_header(AcquisitionDate="", SeriesDate=None)
    assert f"{day_of(header, 'AcquisitionDate'):%Y%m%d}" == "20200102"
    assert day_of(pet_header(AcquisitionDate=None, SeriesDate=None, StudyDate=None), "AcquisitionDate") == NO_DAY


def test_without_geometry_a_plane_says_so(tmp_path):
    path = save(place(pet_header(), 0.0, ImagePositionPatient=None, PixelSpacing=None), tmp_path)
    [plane] = planes_of(read_header(path), path)
    assert plane.position_mm is None
    assert plane.spacing_mm is None
