# SPDX-License-Identifier: Apache-2.0
"""All scores at once are those of the single functions, and a case's areas those of its steps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from petlesion.metrics import VOLUME_CLASSES_ML, MetricError, dice, false_negative_ml, false_positive_ml
from petlesion.scores import CLASS_NAMES, CaseScores, score
from test.real_data import SHARED_DATA

MASKS = SHARED_DATA / "lesion_masks"


def line(bits):
    return np.array([[[bit == "1" for bit in bits]]])


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def test_two_empty_masks_have_volumes_of_zero_and_no_more():
    figures = score(line("0000"), line("0000"), 1.0).figures()
    undefined = {"dice", "fnv_ml", "f1", "volume_error_relative"}
    assert {name for name, value in figures.items() if math.isnan(value)} == undefined
    assert all(value == 0 for name, value in figures.items() if name not in undefined)


def test_a_healthy_study_with_a_prediction_has_false_positives_and_a_volume_error():
    figures = score(line("0110"), line("0000"), 0.5).figures()
    assert (figures["fpv_ml"], figures["volume_error_ml"], figures["fp"]) == (1.0, 1.0, 1)
    assert math.isnan(figures["volume_error_relative"])


def test_every_figure_of_one_case():
    found = score(line("1100000110"), line("0110110000"), 0.5)  # one lesion hit, one missed, one invented
    assert found.figures() == {
        "dice": 2 * 1 / (4 + 4),
        "fpv_ml": 2 * 0.5,
        "fnv_ml": 2 * 0.5,
        "f1": 2 / 4,
        "tp": 1,
        "fp": 1,
        "fn": 1,
        "truth_ml": 2.0,
        "prediction_ml": 2.0,
        "volume_error_ml": 0.0,
        "volume_error_relative": 0.0,
        "lesions_below_0.5_ml": 0,
        "lesions_0.5_to_2_ml": 2,
        "lesions_2_to_10_ml": 0,
        "lesions_10_up_ml": 0,
        "touched_below_0.5_ml": 0,
        "touched_0.5_to_2_ml": 1,
        "touched_2_to_10_ml": 0,
        "touched_10_up_ml": 0,
    }


def test_the_volume_error_has_a_sign():
    less, more = score(line("1000"), line("1111"), 1.0), score(line("1111"), line("1100"), 1.0)
    assert (less.volume_error_ml, less.volume_error_relative) == (-3.0, -3 / 4)
    assert (more.volume_error_ml, more.volume_error_relative) == (2.0, 2 / 2)


def test_each_class_has_a_name():
    assert len(CLASS_NAMES) == len(VOLUME_CLASSES_ML) + 1


def test_one_step_has_no_area():
    assert CaseScores("a", (score(line("1"), line("1"), 1.0),)).areas() == {}


def test_the_areas_of_a_case_are_those_of_its_steps():
    truth = line("1111")
    steps = tuple(score(line(bits), truth, 1.0) for bits in ("0000", "1100", "1111"))
    areas = CaseScores("a", steps).areas()
    assert areas["auc_dice"] == pytest.approx((0 + 2 / 3) / 2 + (2 / 3 + 1) / 2)
    assert areas["auc_fnv_ml"] == (4 + 0) / 2 + (0 + 0) / 2
    assert areas["auc_f1"] == (0 + 1) / 2 + (1 + 1) / 2


def test_the_areas_of_a_healthy_case_are_undefined_but_for_the_false_positives():
    areas = CaseScores("a", (score(line("01"), line("00"), 1.0),) * 11).areas()
    assert areas["auc_fpv_ml"] == 10 * 1.0
    assert all(math.isnan(areas[f"auc_{name}"]) for name in ("dice", "fnv_ml", "f1"))


def test_a_case_without_steps_is_refused():
    with pytest.raises(MetricError, match="one step or more"):
        CaseScores("a", ())


def test_the_subset_is_named_by_what_is_known():
    one = (score(line("1"), line("1"), 1.0),)
    assert CaseScores("a", one).subset == "all"
    assert CaseScores("a", one, tracer="FDG").subset == "FDG"
    assert CaseScores("a", one, tracer="FDG", centre="UKT").subset == "FDG UKT"


@given(
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=6).flatmap(
        lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
    ),
    st.floats(1e-3, 1.0),
)
def test_scores_are_those_of_the_single_functions(masks, voxel_ml):
    found = score(*masks, voxel_ml)
    assert same(found.dice, dice(*masks))
    assert same(found.fpv_ml, false_positive_ml(*masks, voxel_ml))
    assert same(found.fnv_ml, false_negative_ml(*masks, voxel_ml))
    assert sum(found.lesions) == found.detection.tp + found.detection.fn
    assert all(0 <= touched <= there for touched, there in zip(found.lesions_touched, found.lesions, strict=True))


@pytest.mark.skipif(not MASKS.is_dir(), reason="the published masks are not beside the repository")
@pytest.mark.parametrize("system", ["nnUNet_baseline", "datacentric"])
def test_the_scores_of_the_official_evaluation(system):
    case = "psma_95b833d46f153cd2"
    expected = json.loads((MASKS / "expected_metrics.json").read_text())[system]
    truth = sitk.ReadImage(MASKS / f"{case}_2018-04-16.nii.gz")
    prediction = sitk.ReadImage(MASKS / f"{case}_{system}_pred.nii.gz")
    # The official script multiplies the NIfTI header's spacings in their single precision.
    voxel_ml = float(np.prod(np.float32(truth.GetSpacing())) / 1000)
    found = score(*(sitk.GetArrayFromImage(image) > 0 for image in (prediction, truth)), voxel_ml)
    assert {name: found.figures()[name] for name in expected} == expected
