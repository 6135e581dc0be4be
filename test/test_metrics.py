# SPDX-License-Identifier: Apache-2.0
"""Scores whose expected values are arithmetic, and those of the challenge's own evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.metrics import MetricError, dice, false_negative_ml, false_positive_ml

MASKS = Path(__file__).resolve().parents[2] / "shared" / "data" / "lesion_masks"
EMPTY = np.zeros((1, 1, 8), bool)


def line(bits):
    return np.array([[[bit == "1" for bit in bits]]])


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
