# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: DTZ001 - DICOM's clocks know no zone
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.dicom.decay import average_s, half_life, left_after, start_reference, uptake_s
from petlesion.dicom.faults import DicomError
from petlesion.dicom.planes import PlaneTime
from petlesion.dicom.suv_header import SuvHeader

F18 = 6586.2
TEN, ELEVEN = datetime(2020, 1, 2, 10), datetime(2020, 1, 2, 11)
HEADER = SuvHeader(half_life_s=F18, injected=TEN, series=ELEVEN)


def bed(minute=0.0, reference_s=None, duration_s=None):
    return PlaneTime(ELEVEN + timedelta(minutes=minute), reference_s, None, duration_s)


def test_half_of_it_is_left_after_a_half_life():
    assert left_after(F18, F18) == 0.5
    assert left_after(0, F18) == 1


@given(st.floats(1, 7200), st.floats(60, 1e6))
def test_the_average_count_rate_comes_before_the_middle_of_a_frame(duration, life):
    moment = average_s(duration, life)
    assert 0 < moment <= duration / 2 * (1 + 1e-6)
    mean = (1 - 2 ** (-duration / life)) / (0.6931471805599453 * duration / life)  # of the rate over the frame
    assert 2 ** (-moment / life) == pytest.approx(mean, rel=1e-5)


def test_the_series_time_holds_where_no_bed_came_before():
    found = start_reference(HEADER, [bed(0), bed(3)], F18)
    assert (found.moment, found.rule) == (ELEVEN, "Series Date and Time")


def test_a_series_time_that_is_later_by_rounding_alone_holds():
    header = replace(HEADER, series=ELEVEN + timedelta(microseconds=5))
    assert start_reference(header, [bed(0)], F18).rule == "Series Date and Time"


def test_a_later_series_time_gives_way_to_ges_own():
    header = replace(HEADER, series=ELEVEN + timedelta(hours=1), ge_scan=ELEVEN - timedelta(minutes=1))
    assert start_reference(header, [bed()], F18).moment == ELEVEN - timedelta(minutes=1)


def test_a_later_series_time_gives_way_to_each_beds_average_count_rate():
    header = replace(HEADER, series=ELEVEN + timedelta(hours=1))
    beds = [bed(m, 60 * m + average_s(120, F18), 120.0) for m in (0, 3, 6)]
    found = start_reference(header, beds, F18)
    assert abs(found.moment - ELEVEN) < timedelta(milliseconds=1)
    assert "average count rate" in found.rule
    assert found.warnings == ()


def test_ge_counts_to_the_beginning_of_a_bed():
    header = replace(HEADER, series=ELEVEN + timedelta(hours=1), is_ge=True)
    assert start_reference(header, [bed(0, 0.0), bed(5, 300.0)], F18).moment == ELEVEN


def test_beds_that_disagree_are_told():
    header = replace(HEADER, series=ELEVEN + timedelta(hours=1), is_ge=True)
    assert "300 s apart" in start_reference(header, [bed(0, 0.0), bed(5, 0.0)], F18).warnings[0]


def test_without_a_frames_duration_it_is_refused_with_tag_and_option():
    header = replace(HEADER, series=ELEVEN + timedelta(hours=1))
    with pytest.raises(DicomError, match=r"Actual Frame Duration \(0018,1242\).*--corrected-to"):
        start_reference(header, [bed(0, 0.0)], F18)
    with pytest.raises(DicomError, match=r"Frame Reference Time \(0054,1300\)"):
        start_reference(header, [bed(0, None, 120.0)], F18)


def test_without_any_time_it_is_refused():
    with pytest.raises(DicomError, match=r"Series Time \(0008,0031\).*--corrected-to"):
        start_reference(replace(HEADER, series=None), [PlaneTime()], F18)


def test_what_the_user_says_goes_first_and_a_time_means_the_nearest_day():
    header = replace(HEADER, series=datetime(2020, 1, 2, 0, 10), corrected_to=time(23, 50), by_hand=("corrected_to",))
    found = start_reference(header, [], F18)
    assert (found.moment, found.rule) == (datetime(2020, 1, 1, 23, 50), "--corrected-to")


@given(st.integers(0, 15 * 3600))
def test_a_time_alone_and_a_date_time_give_the_same_uptake(seconds):
    start = datetime(2020, 1, 2, 3)  # midnight lies between for most
    injected = start - timedelta(seconds=seconds)
    whole, _ = uptake_s(replace(HEADER, injected=injected), start, F18)
    alone, _ = uptake_s(replace(HEADER, injected=injected.time()), start, F18)
    assert whole == alone == seconds


def test_a_date_that_cannot_be_gives_way_to_the_time_of_day():
    seconds, warnings = uptake_s(replace(HEADER, injected=datetime(1999, 5, 5, 10)), ELEVEN, F18)
    assert seconds == 3600
    assert "Radiopharmaceutical Start DateTime (0018,1078)" in warnings[0]


def test_long_uptake_is_taken_where_the_nuclide_lives_long():
    injected = TEN - timedelta(days=4)
    seconds, warnings = uptake_s(replace(HEADER, injected=injected), ELEVEN, 282276.0)
    assert seconds == 4 * 86400 + 3600
    assert warnings == ()


def test_an_injection_after_the_scan_is_refused():
    with pytest.raises(DicomError, match=r"less than 10 half-lives.*23.9 h.*--injected-at"):
        uptake_s(replace(HEADER, injected=time(11, 5)), ELEVEN, F18)
    with pytest.raises(DicomError, match="--injected-at"):
        uptake_s(replace(HEADER, injected=datetime(2020, 1, 2, 12), by_hand=("injected",)), ELEVEN, F18)


def test_no_injection_is_refused_with_both_tags():
    with pytest.raises(DicomError, match=r"\(0018,1078\) and .*\(0018,1072\) are missing; give --injected-at"):
        uptake_s(replace(HEADER, injected=None), ELEVEN, F18)


def test_half_lives():
    assert half_life(SuvHeader(half_life_s=6588, nuclide="F-18")) == (6588, ())
    life, warnings = half_life(SuvHeader(nuclide="Ga-68"))
    assert life == 4057.7
    assert "Radionuclide Half Life (0018,1075) is missing" in warnings[0]
    assert "the header's is taken" in half_life(SuvHeader(half_life_s=4000, nuclide="F-18"))[1][0]
    with pytest.raises(DicomError, match=r"\(0018,1075\); it is missing; give --half-life-s"):
        half_life(SuvHeader(half_life_s=0))
