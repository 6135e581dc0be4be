# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: DTZ001 - DICOM's clocks know no zone
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.dicom.moments import join, last_before, parse_date, parse_datetime, parse_given, parse_time

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31))


@pytest.mark.parametrize("text", [None, "", " ", "0", "00000000", "20201301", "2020010", "abc", "20200102x"])
def test_what_is_no_date_is_none(text):
    assert parse_date(text) is None


def test_dates_with_padding_and_with_the_dots_of_acr_nema():
    assert parse_date("20050303 ") == parse_date("2005.03.03") == date(2005, 3, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", time(12)),
        ("1228", time(12, 28)),
        ("122800", time(12, 28)),
        ("12:28:05", time(12, 28, 5)),
        ("122805.25 ", time(12, 28, 5, 250000)),
        ("235960", time(23, 59, 59)),
        ("250000", None),
        ("1", None),
        ("", None),
        ("noon", None),
    ],
)
def test_times_of_every_precision(text, expected):
    assert parse_time(text) == expected


@given(MOMENTS)
def test_a_moment_survives_its_dicom_form(moment):
    assert parse_datetime(f"{moment:%Y%m%d%H%M%S}.{moment.microsecond:06d}") == moment
    assert join(parse_date(f"{moment:%Y%m%d}"), parse_time(f"{moment:%H%M%S.%f}")) == moment


@given(st.text(max_size=30))
def test_no_text_is_an_error(text):
    for parse in (parse_date, parse_time, parse_datetime):
        parse(text)


def test_an_offset_is_brought_to_the_objects_clock_and_dropped_where_that_is_unknown():
    assert parse_datetime("20200102100000+0000", "+0100") == datetime(2020, 1, 2, 11)
    assert parse_datetime("20200102100000-0230", "+0000") == datetime(2020, 1, 2, 12, 30)
    assert parse_datetime("20200102100000+0500") == datetime(2020, 1, 2, 10)
    assert parse_datetime("20200102100000", "+0500") == datetime(2020, 1, 2, 10)


def test_a_date_time_needs_an_hour():
    assert parse_datetime("20200102") is None


@given(MOMENTS, st.times())
def test_the_last_time_of_day_lies_within_the_day_before(moment, clock):
    found = last_before(moment, clock)
    assert found.time() == clock
    assert timedelta() <= moment - found < timedelta(days=1)


def test_over_midnight():
    assert last_before(datetime(2020, 1, 2, 0, 30), time(23, 30)) == datetime(2020, 1, 1, 23, 30)


@pytest.mark.parametrize(
    "text", ["2005-03-03T12:28", "2005-03-03 12:28:00", "20050303122800", "2005-03-03T12:28:00+02:00"]
)
def test_what_people_type(text):
    assert parse_given(text) == datetime(2005, 3, 3, 12, 28)


def test_a_time_alone_is_taken_and_nonsense_is_refused():
    assert parse_given("12:28") == parse_given("1228") == time(12, 28)
    with pytest.raises(ValueError, match="written 2005-03-03T12:28:00"):
        parse_given("yesterday")
