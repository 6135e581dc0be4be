# SPDX-License-Identifier: Apache-2.0
"""Scores whose expected values are arithmetic, and those of the challenge's own evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from petlesion.metrics import (
    Detection,
    MetricError,
    Overlap,
    click_auc,
    detection,
    dice,
    false_negative_ml,
    false_positive_ml,
    found_by_volume,
)

MASKS = Path(__file__).resolve().parents[2] / "shared" / "data" / "lesion_masks"
EMPTY = np.zeros((1, 1, 8), bool)


CC18 = ndimage.generate_binary_structure(3, 2)
PAIRS_OF_MASKS = hnp.array_shapes(min_dims=3, max_dims=3, max_side=6).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def line(bits):
    return np.array([[[bit == "1" for bit in bits]]])


def detected(prediction, truth):
    found = detection(Overlap.of(line(prediction), line(truth)))
    return found.tp, found.fp, found.fn


def components(mask):
    numbers, count = ndimage.label(mask, CC18)
    return [numbers == k for k in range(1, count + 1)]


def naive_detection(prediction, truth):
    """Every component against every other."""
    predicted, true = components(prediction), components(truth)
    match = [[(p & g).sum() / (p | g).sum() >= 0.1 for g in true] for p in predicted]
    tp = sum(any(row[k] for row in match) for k in range(len(true)))
    return Detection(tp, sum(not any(row) for row in match), len(true) - tp)


def test_an_empty_truth_has_no_dice_and_no_false_negatives_but_false_positives():
    prediction = line("01100100")
    assert math.isnan(dice(prediction, EMPTY))
    assert math.isnan(false_negative_ml(prediction, EMPTY, 0.5))
    assert false_positive_ml(prediction, EMPTY, 0.5) == 3 * 0.5


def test_an_empty_prediction_misses_everything():
    truth = line("01100100")
    assert dice(EMPTY, truth) == 0
    assert false_positive_ml(EMPTY, truth, 0.5) == 0
    assert false_negative_ml(EMPTY, truth, 0.5) == 3 * 0.5


def test_two_empty_masks():
    assert math.isnan(dice(EMPTY, EMPTY))
    assert false_positive_ml(EMPTY, EMPTY, 1.0) == 0
    assert math.isnan(false_negative_ml(EMPTY, EMPTY, 1.0))


def test_equal_masks():
    truth = line("01100100")
    assert (dice(truth, truth), false_positive_ml(truth, truth, 1), false_negative_ml(truth, truth, 1)) == (1, 0, 0)


def test_a_component_counts_whole_once_it_is_touched():
    prediction = line("11100011")  # the first component touches the truth in one voxel, the second, of two, does not
    truth = line("00111000")
    assert dice(prediction, truth) == 2 * 1 / (5 + 3)
    assert false_positive_ml(prediction, truth, 0.25) == 2 * 0.25
    assert false_negative_ml(prediction, truth, 0.25) == 0


@pytest.mark.parametrize(("far", "missed"), [((1, 1, 0), 0), ((1, 1, 1), 1)])
def test_voxels_are_neighbours_over_an_edge_but_not_over_a_corner(far, missed):
    truth, prediction = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    truth[0, 0, 0] = truth[far] = prediction[0, 0, 0] = True
    assert false_negative_ml(prediction, truth, 1.0) == missed
    assert false_positive_ml(truth, prediction, 1.0) == missed


def test_read_only_masks_are_taken():
    mask = line("0110")
    mask.flags.writeable = False
    assert false_positive_ml(mask, mask, 1.0) == 0


def test_masks_of_other_shapes_or_types_are_refused():
    with pytest.raises(MetricError, match="one grid"):
        dice(EMPTY, np.zeros((1, 8, 1), bool))
    with pytest.raises(MetricError, match="boolean"):
        false_positive_ml(EMPTY.astype(np.uint8), EMPTY, 1.0)


def test_without_lesions_every_component_is_a_false_positive_and_there_is_no_f1():
    assert detected("01100100", "00000000") == (0, 2, 0)
    assert math.isnan(Detection(0, 2, 0).f1)
    assert math.isnan(Detection(0, 0, 0).f1)


def test_without_a_prediction_every_lesion_is_missed():
    assert detected("00000000", "01100100") == (0, 0, 2)
    assert Detection(0, 0, 2).f1 == 0


def test_components_match_from_a_tenth_of_their_union():
    assert detected("1000000000", "1111111111") == (1, 0, 0)  # 1/10
    assert detected("10000000000", "11111111111") == (0, 1, 1)  # 1/11: touched, and yet missed


def test_one_component_may_find_two_lesions_and_two_may_share_one():
    assert detected("1111111", "1110111") == (2, 0, 0)
    assert detected("1110111", "1111111") == (1, 0, 0)


def test_found_missed_and_false_lesions_make_the_f1():
    assert detected("1100010", "1001000") == (1, 1, 1)
    assert Detection(1, 1, 1).f1 == 2 / 4


def test_classes_of_an_empty_truth_are_empty():
    assert found_by_volume(Overlap.of(line("0110"), line("0000")), 1.0) == ((0, 0, 0, 0), (0, 0, 0, 0))


def test_a_lesion_on_a_bound_belongs_to_the_larger_class_and_one_voxel_finds_it():
    truth, prediction = "1011011110", "1000010000"  # 1, 2 and 4 voxels; the first and the last are touched
    overlap = Overlap.of(line(prediction), line(truth))
    assert found_by_volume(overlap, 0.25) == ((1, 2, 0, 0), (1, 1, 0, 0))  # 0.25, 0.5 and 1 ml
    assert found_by_volume(overlap, 1.0) == ((0, 1, 2, 0), (0, 1, 1, 0))  # 1, 2 and 4 ml
    assert found_by_volume(overlap, 2.5) == ((0, 0, 2, 1), (0, 0, 1, 1))  # 2.5, 5 and 10 ml


@pytest.mark.parametrize("steps", [2, 6, 11])
def test_the_area_of_a_constant_is_the_constant_times_the_steps_between(steps):
    assert click_auc([0.25] * steps) == 0.25 * (steps - 1)


def test_the_area_of_a_rise_is_that_of_its_trapezoids():
    assert click_auc([0.0, 0.5, 0.75]) == (0 + 0.5) / 2 + (0.5 + 0.75) / 2


def test_an_area_with_a_hole_is_none():
    assert math.isnan(click_auc([math.nan] * 11))
    assert math.isnan(click_auc([1.0, math.nan, 1.0]))


@pytest.mark.parametrize("scores", [[], [0.5]])
def test_an_area_needs_two_steps(scores):
    with pytest.raises(MetricError, match="two steps"):
        click_auc(scores)


@given(PAIRS_OF_MASKS)
def test_scores_are_those_of_a_loop_over_components(masks):
    prediction, truth = masks
    assert detection(Overlap.of(prediction, truth)) == naive_detection(prediction, truth)
    false = sum(int(part.sum()) for part in components(prediction) if not (part & truth).any())
    assert false_positive_ml(prediction, truth, 0.5) == false * 0.5
    missed = sum(int(part.sum()) for part in components(truth) if not (part & prediction).any())
    assert not truth.any() or false_negative_ml(prediction, truth, 0.5) == missed * 0.5


@given(PAIRS_OF_MASKS)
def test_what_is_symmetric_and_what_is_bounded(masks):
    prediction, truth = masks
    there, back = Overlap.of(prediction, truth), Overlap.of(truth, prediction)
    assert there.shared_voxels.sum() == back.shared_voxels.sum() == (prediction & truth).sum()
    assert there.touched_predictions().tolist() == back.touched_truths().tolist()
    if truth.any() and prediction.any():
        assert 0 <= dice(prediction, truth) == dice(truth, prediction) <= 1
        assert 0 <= detection(there).f1 <= 1
        assert detection(there).tp <= sum(there.touched_truths())
    mirrored = Overlap.of(prediction[::-1, :, ::-1], truth[::-1, :, ::-1])
    assert detection(mirrored) == detection(there)
    assert found_by_volume(mirrored, 0.3) == found_by_volume(there, 0.3)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=11))
def test_an_area_lies_between_those_of_the_lowest_and_the_highest_score(scores):
    area = click_auc(scores)
    assert area == pytest.approx(np.trapezoid(scores))
    assert min(scores) * (len(scores) - 1) - 1e-12 <= area <= max(scores) * (len(scores) - 1) + 1e-12


@pytest.mark.skipif(not MASKS.is_dir(), reason=f"no shared data at {MASKS}")
@pytest.mark.parametrize("system", ["nnUNet_baseline", "datacentric"])
def test_the_scores_of_the_official_evaluation(system):
    case = "psma_95b833d46f153cd2"
    expected = json.loads((MASKS / "expected_metrics.json").read_text())[system]
    truth = sitk.ReadImage(MASKS / f"{case}_2018-04-16.nii.gz")
    prediction = sitk.ReadImage(MASKS / f"{case}_{system}_pred.nii.gz")
    p, g = (sitk.GetArrayFromImage(image) > 0 for image in (prediction, truth))
    # The official script multiplies the NIfTI header's spacings in their single precision.
    voxel_ml = float(np.prod(np.float32(truth.GetSpacing())) / 1000)
    assert dice(p, g) == expected["dice"]
    assert false_positive_ml(p, g, voxel_ml) == expected["fpv_ml"]
    assert false_negative_ml(p, g, voxel_ml) == expected["fnv_ml"]
