# SPDX-License-Identifier: Apache-2.0
"""A report's lesions as text, and the reading of reports that others wrote."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.table import MEASURED, ReportError, lesion_table, parse_report, read_report

NOTICE = "For research use only; not a medical device."


def report(*lesions, fallback=""):
    return {
        "fallback": fallback,
        "notice": NOTICE,
        "tracer": {"name": "FDG"},
        "lesions": list(lesions),
        "tmtv_ml": sum(lesion["volume_ml"] for lesion in lesions),
        "tlg": sum(lesion["tlg"] for lesion in lesions),
    }


def lesion(number, volume_ml, centroid_mm=(1.0, -20.4, 300.0)):
    return {
        "number": number,
        "volume_ml": volume_ml,
        "suv_max": 8.04,
        "suv_mean": 5.0,
        "suv_peak": 7.0,
        "tlg": 5.0 * volume_ml,
        "centroid_mm": list(centroid_mm),
    }


def test_no_lesions_gives_the_sums_alone():
    assert lesion_table(report()) == f"0 lesions, total volume 0.0 ml, TLG 0 (FDG)\n{NOTICE}"


def test_a_lesion_is_a_line_under_the_headings_flush_right():
    assert lesion_table(report(lesion(1, 2.5))).split("\n") == [
        "lesion    ml  SUVmax  SUVmean  SUVpeak  TLG  centre x, y, z (mm)",
        "------  ----  ------  -------  -------  ---  -------------------",
        "     1  2.50     8.0      5.0      7.0   12          1, -20, 300",
        "1 lesion, total volume 2.5 ml, TLG 12 (FDG)",
        NOTICE,
    ]


def test_lesions_keep_the_order_of_the_report():
    lines = lesion_table(report(lesion(1, 100.0), lesion(2, 3.0))).split("\n")
    assert [line.split()[:2] for line in lines[2:4]] == [["1", "100.00"], ["2", "3.00"]]
    assert lines[4] == "2 lesions, total volume 103.0 ml, TLG 515 (FDG)"


def test_a_fallback_is_not_shown_as_a_measurement():
    words = lesion_table(report(fallback="empty mask"))
    assert words == "no lesions were measured: the mask is a fallback (empty mask)"


def test_what_is_no_report_is_refused():
    with pytest.raises(KeyError, match="fallback"):
        lesion_table({})


# --- reports that others wrote ----------------------------------------------------------------------------------------


def changed(**changes):
    """A report with fields changed; None removes one."""
    return {key: value for key, value in (report(lesion(1, 2.5)) | changes).items() if value is not None}


def test_a_report_is_read_as_it_was_written(tmp_path):
    for written in (report(), report(lesion(1, 2.5)) | {"more": [1]}, {"fallback": "empty mask"}):
        (tmp_path / "report.json").write_text(json.dumps(written))
        assert read_report(tmp_path / "report.json") == written
    nobody_asked = report() | {"tracer": {"name": None}}
    assert parse_report(json.dumps(nobody_asked)) == nobody_asked


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is no JSON"),
        ("[]", 'is no object with the text "fallback"'),
        ("{}", 'is no object with the text "fallback"'),
        ('{"fallback": "", "fallback": ""}', "has the key 'fallback' twice"),
        (json.dumps(changed(tracer="FDG")), 'names no tracer in "tracer"'),
        (json.dumps(changed(tracer={"name": 1})), 'names no tracer in "tracer"'),
        (json.dumps(changed(lesions=None)), 'has no list "lesions"'),
        (json.dumps(changed(lesions=[1])), 'has no list "lesions" of measured lesions'),
        (json.dumps(changed(lesions=[lesion(1, 2.5) | {"suv_max": "8"}])), 'has no list "lesions" of measured'),
        (json.dumps(changed(lesions=[lesion(1, 2.5, (1.0, 2.0))])), 'has no list "lesions" of measured lesions'),
        (json.dumps(changed(tlg=None)), 'has no sums "tmtv_ml" and "tlg"'),
        (json.dumps(changed(tmtv_ml=float("nan"))), "holds NaN"),
        (json.dumps(changed(notice=None)), 'has no text "notice"'),
    ],
)
def test_a_file_that_is_no_report_is_refused_in_words(text, fault):
    with pytest.raises(ReportError, match=f"report.json of a finished run; this file .*{fault}"):
        parse_report(text)


def test_a_report_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ReportError, match=r"cannot be read \(No such file"):
        read_report(tmp_path / "report.json")
    with pytest.raises(ReportError, match="cannot be read"):
        read_report(tmp_path)


FIELDS = ("fallback", "tracer", "lesions", "tmtv_ml", "tlg", "notice", "number", "centroid_mm", "name", *MEASURED)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8),
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(FIELDS[:6]), ANYTHING))
def test_whatever_is_taken_for_a_report_can_be_shown(changes):
    try:
        taken = parse_report(json.dumps(report(lesion(1, 2.5)) | changes))
    except ReportError:
        return
    assert lesion_table(taken)
