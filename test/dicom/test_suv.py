# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: DTZ001 - DICOM's clocks know no zone
"""80 kg and 400 MBq: at the injection, 80000 g / 400e6 Bq = 1/5000; after one half-life, 1/2500."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from petlesion.dicom.decay import average_s
from petlesion.dicom.faults import DicomError
from petlesion.dicom.moments import join, parse_date, parse_datetime, parse_time
from petlesion.dicom.planes import PlaneTime
from petlesion.dicom.suv import suv_scale
from petlesion.dicom.suv_header import SuvHeader, with_wishes
from petlesion.dicom.wishes import DicomWishes
from test.real_data import SHARED_DATA

VENDORS = SHARED_DATA / "suv" / "vendor_headers"
needs_vendors = pytest.mark.skipif(not VENDORS.is_dir(), reason="the vendors' headers are not beside the repository")
LIFE = 3600.0
INJECTED = datetime(2020, 1, 2, 10)
HEADER = SuvHeader(
    units="BQML",
    decay_correction="START",
    weight_kg=80,
    dose=400e6,
    half_life_s=LIFE,
    injected=INJECTED,
    series=INJECTED + timedelta(hours=1),
)
TIMES = [PlaneTime(INJECTED + timedelta(hours=1), 0.0, None, 120.0)] * 2


def factors(**changes):
    return suv_scale(replace(HEADER, **changes), TIMES).factors


def refusal(**changes):
    with pytest.raises(DicomError) as caught:
        factors(**changes)
    return str(caught.value)


def test_start_takes_what_is_left_after_one_half_life():
    assert factors() == pytest.approx((1 / 2500,) * 2)
    assert "START: Series Date and Time), 60.0 min" in suv_scale(HEADER, TIMES).rule


def test_admin_takes_the_dose_as_injected_and_needs_no_time():
    assert factors(decay_correction="ADMIN", injected=None, half_life_s=None) == pytest.approx((1 / 5000,) * 2)


def test_none_takes_each_slice_at_the_moment_of_its_average_count_rate():
    times = [PlaneTime(INJECTED + timedelta(hours=h), None, None, 600.0) for h in (1, 2)]
    found = suv_scale(replace(HEADER, decay_correction="NONE"), times).factors
    late = 2 ** (average_s(600, LIFE) / LIFE)
    assert found == pytest.approx((late / 2500, late / 1250))


def test_none_without_a_duration_is_refused():
    with pytest.raises(DicomError, match=r"Actual Frame Duration \(0018,1242\)"):
        suv_scale(replace(HEADER, decay_correction="NONE"), [PlaneTime(INJECTED)])
    with pytest.raises(DicomError, match=r"Acquisition Time \(0008,0032\)"):
        suv_scale(replace(HEADER, decay_correction="NONE"), [PlaneTime()])


def test_a_dose_in_mbq_by_mistake():
    scale = suv_scale(replace(HEADER, dose=400.0), TIMES)
    assert scale.factors == pytest.approx((1 / 2500,) * 2)
    assert "400 can only be MBq" in scale.warnings[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_kg": None}, "Patient's Weight (0010,1030); it is missing or zero; give --weight-kg"),
        ({"weight_kg": 0.0}, "Patient's Weight (0010,1030); it is missing or zero; give --weight-kg"),
        ({"weight_kg": 80000.0}, "Patient's Weight (0010,1030) is in kg"),
        ({"dose": None}, "Radionuclide Total Dose (0018,1074); it is missing, zero or negative; give --dose-mbq"),
        ({"dose": -1.0}, "Radionuclide Total Dose (0018,1074); it is missing, zero or negative; give --dose-mbq"),
        ({"dose": 400e3}, "Radionuclide Total Dose (0018,1074) is in Bq; 400000 is neither Bq nor MBq"),
        ({"half_life_s": None}, "Radionuclide Half Life (0018,1075); it is missing; give --half-life-s"),
        ({"injected": None}, "Radiopharmaceutical Start Time (0018,1072) are missing; give --injected-at"),
        ({"decay_correction": ""}, "Decay Correction (0054,1102) must be START, ADMIN or NONE; it is 'missing'"),
        ({"units": "PROPCNTS"}, "Units (0054,1001) of the PET must be BQML, CNTS, GML or CM2ML; it is 'PROPCNTS'"),
        ({"units": ""}, "it is 'missing'"),
        ({"units": "CNTS"}, "Philips' private scale factor (7053,1000) or (7053,1009), and both are missing"),
        ({"units": "GML", "suv_type": "IBW", "sex": "F"}, "Patient's Size (0010,1020); it is missing or zero"),
        ({"units": "GML", "suv_type": "IBW", "height_m": 1.7}, "Patient's Sex (0010,0040) must be M or F"),
        ({"units": "GML", "suv_type": "LBM", "height_m": 1.7}, "SUV Type (0054,1006) must be BW"),
        ({"units": "CM2ML"}, "needs Patient's Size (0010,1020); it is missing or zero; give --height-cm"),
        ({"units": "CM2ML", "height_m": 17.0}, "Patient's Size (0010,1020) is in m"),
    ],
)
def test_what_is_missing_is_refused_with_its_tag_and_the_option(changes, words):
    assert words in refusal(**changes)


def test_gml_is_suv_already_and_needs_nothing():
    assert suv_scale(SuvHeader(units="GML"), TIMES).factors == (1.0, 1.0)
    assert suv_scale(SuvHeader(units="GML", suv_type="BW"), TIMES).factors == (1.0, 1.0)


def test_gml_by_another_weight_is_brought_to_the_bodys():
    ideal = 48.0 + 1.06 * (172 - 152)
    assert factors(units="GML", suv_type="IBW", sex="M", height_m=1.72) == pytest.approx((80 / ideal,) * 2)
    lean = 1.10 * 80 - 128 * (80 / 160) ** 2
    assert factors(units="GML", suv_type="LBMJAMES128", sex="M", height_m=1.6) == pytest.approx((80 / lean,) * 2)
    lean = 9270 * 80 / (8780 + 244 * 80 / 1.6**2)
    assert factors(units="GML", suv_type="LBMJANMA", sex="F", height_m=1.6) == pytest.approx((80 / lean,) * 2)


def test_cm2ml_is_brought_from_the_surface_to_the_weight():
    surface_cm2 = 0.007184 * 80**0.425 * 180**0.725 * 1e4
    assert factors(units="CM2ML", height_m=1.8) == pytest.approx((80000 / surface_cm2,) * 2)
    scale = suv_scale(replace(HEADER, units="CM2ML", height_m=180.0), TIMES)
    assert scale.factors == pytest.approx((80000 / surface_cm2,) * 2)
    assert "in cm: taken as cm" in scale.warnings[0]


def test_counts_by_philips_factors_the_suv_one_first():
    assert factors(units="CNTS", philips_suv=0.25, philips_bqml=3.0) == (0.25, 0.25)
    assert factors(units="CNTS", philips_bqml=3.0) == pytest.approx((3 / 2500,) * 2)


def test_the_users_word_stands_in_for_the_header_and_in_the_rule():
    wishes = DicomWishes(weight_kg=40, dose_mbq=100, decay_correction="ADMIN")
    scale = suv_scale(with_wishes(replace(HEADER, weight_kg=None), wishes), TIMES)
    assert scale.factors == pytest.approx((40000 / 100e6,) * 2)
    assert scale.rule.endswith("(by --weight-kg, --dose-mbq, --decay-correction)")


def test_a_small_dose_given_by_hand_is_not_taken_for_mbq():
    scale = suv_scale(with_wishes(HEADER, DicomWishes(dose_mbq=0.005, decay_correction="ADMIN")), TIMES)
    assert scale.factors == pytest.approx((80000 / 5000,) * 2)
    assert scale.warnings == ()


def vendor_case(values):
    """A SUV header and times from a vendor's header as cornerstone's test data hold it."""
    first, private = values[0], values[0]["PhilipsPETPrivateGroup"]
    injected = parse_datetime(first.get("RadiopharmaceuticalStartDateTime"))
    header = SuvHeader(
        units=first["Units"],
        decay_correction=first["DecayCorrection"],
        weight_kg=first["PatientWeight"],
        dose=first["RadionuclideTotalDose"],
        half_life_s=first["RadionuclideHalfLife"],
        injected=injected or parse_time(first["RadiopharmaceuticalStartTime"]),
        series=join(parse_date(first["SeriesDate"]), parse_time(first["SeriesTime"])),
        philips_suv=float(private.get("SUVScaleFactor", 0)),
        philips_bqml=float(private.get("ActivityConcentrationScaleFactor", 0)),
    )
    times = [
        PlaneTime(
            join(parse_date(one["AcquisitionDate"]), parse_time(one["AcquisitionTime"])),
            one["FrameReferenceTime"] / 1000,
            None,
            one["ActualFrameDuration"] / 1000,
        )
        for one in values
    ]
    return header, times


@needs_vendors
@pytest.mark.parametrize(
    "name",
    [
        "SIEMENS",
        "GE_MEDICAL_AND_BQML",
        "PHILIPS_BQML",
        "PHILIPS_CNTS_AND_BQML_SUV",
        "BQML_AC_DT_lessThan_S_DT_SIEMENS",
    ],
)
def test_real_vendors_headers_give_their_published_factors(name):
    expected = json.loads((VENDORS / "expected_suvbw_factors.json").read_text())[name]
    scale = suv_scale(*vendor_case(json.loads((VENDORS / f"{name}-instances.json").read_text())))
    assert scale.factors == pytest.approx([expected] * len(scale.factors), rel=1e-6)
