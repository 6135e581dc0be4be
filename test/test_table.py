# SPDX-License-Identifier: Apache-2.0
import pytest

from petlesion.table import lesion_table, lesions_csv

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


def test_without_a_tracer_the_sums_say_so():
    """As in the report of a mask that was given."""
    assert "(tracer not asked for)" in lesion_table(report() | {"tracer": None})


def test_csv_has_a_column_for_each_figure_and_each_part_of_a_point():
    one = lesion(1, 2.5) | {"n_voxels": 5, "longest_diameter_mm": 12.5, "centroid_xyz": [4, 5.5, 6]}
    head, row = (line.split(",") for line in lesions_csv(report(one)).splitlines())
    assert dict(zip(head, row, strict=True)) == {
        "number": "1",
        "n_voxels": "5",
        "volume_ml": "2.5",
        "suv_max": "8.04",
        "suv_mean": "5.0",
        "suv_peak": "7.0",
        "tlg": "12.5",
        "longest_diameter_mm": "12.5",
        "centroid_mm_x": "1.0",
        "centroid_mm_y": "-20.4",
        "centroid_mm_z": "300.0",
        "centroid_voxel_x": "4",
        "centroid_voxel_y": "5.5",
        "centroid_voxel_z": "6",
    }


def test_csv_of_no_lesion_is_its_head():
    assert len(lesions_csv(report()).splitlines()) == 1
