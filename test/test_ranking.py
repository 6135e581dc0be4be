# SPDX-License-Identifier: Apache-2.0
"""Ranks that a reader can redo by hand, and what no order and no scale may change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.metrics import MetricError
from petlesion.ranking import WEIGHTS, mean_ranks, rank_systems


def means(dice, fpv_ml, fnv_ml, subset="all"):
    return {subset: {"dice": dice, "fpv_ml": fpv_ml, "fnv_ml": fnv_ml}}


def places(ranks):
    return {one.system: (one.place, one.value) for one in ranks}


def test_no_systems_no_ranks():
    with pytest.raises(MetricError, match="one defined mean"):
        rank_systems({}, "III")


def test_one_system_is_the_first():
    assert places(rank_systems({"a": means(0.1, 9, 9)}, "III")) == {"a": (1, 1)}


@pytest.mark.parametrize("challenge", WEIGHTS)
def test_the_weights_sum_to_one(challenge):
    assert sum(WEIGHTS[challenge].values()) == 1


def test_dice_counts_half_and_each_volume_a_quarter():
    found = rank_systems({"a": means(0.7, 8, 8), "b": means(0.6, 1, 8), "c": means(0.5, 2, 1)}, "III")
    # a: 1st in Dice, 3rd in FPV, shares ranks 2 and 3 in FNV; b: 2nd, 1st, shared; c: 3rd, 2nd, 1st
    assert places(found) == {
        "a": (1.5, 0.5 * 1 + 0.25 * 3 + 0.25 * 2.5),
        "b": (1.5, 0.5 * 2 + 0.25 * 1 + 0.25 * 2.5),  # as good as a: they share places 1 and 2
        "c": (3, 0.5 * 3 + 0.25 * 2 + 0.25 * 1),
    }
    assert [one.system for one in found] == ["a", "b", "c"]
    assert found[0].ranks == {"dice": 1, "fpv_ml": 3, "fnv_ml": 2.5}


def test_equals_share_the_mean_of_their_ranks():
    found = rank_systems({name: means(0.5, 1, 1) for name in "abc"}, "III")
    assert places(found) == dict.fromkeys("abc", (2, 2))


def test_ranks_are_averaged_over_the_subsets_and_not_the_means():
    systems = {
        "a": means(0.9, 1, 1, "FDG UKT") | means(0.1, 1, 1, "PSMA LMU") | means(0.1, 1, 1, "FDG LMU"),
        "b": means(0.3, 1, 1, "FDG UKT") | means(0.2, 1, 1, "PSMA LMU") | means(0.2, 1, 1, "FDG LMU"),
    }
    found = rank_systems(systems, "III")  # b leads in two subsets of three, though a has the higher mean
    assert [one.system for one in found] == ["b", "a"]
    assert found[0].ranks["dice"] == pytest.approx((2 + 1 + 1) / 3)


def test_areas_count_as_their_metric():
    low = {"auc_dice": 4.0, "auc_f1": 5.0}
    high = {"auc_dice": 5.0, "auc_f1": 5.0}
    found = rank_systems({"low": {"all": low}, "high": {"all": high}}, "V")
    assert places(found) == {"high": (1, 0.5 * 1 + 0.5 * 1.5), "low": (2, 0.5 * 2 + 0.5 * 1.5)}


def test_a_subset_without_lesions_has_no_part_in_dice():
    systems = {
        "a": means(0.9, 1, 1, "FDG UKT") | means(math.nan, 1, math.nan, "FDG LMU"),
        "b": means(0.8, 2, 2, "FDG UKT") | means(math.nan, 0, math.nan, "FDG LMU"),
    }
    assert rank_systems(systems, "III")[0].ranks == {"dice": 1, "fpv_ml": 1.5, "fnv_ml": 1}


def test_a_mean_that_only_some_have_is_refused():
    with pytest.raises(MetricError, match="same cases"):
        rank_systems({"a": means(0.5, 1, 1), "b": means(math.nan, 1, 1)}, "III")


def test_other_subsets_and_missing_metrics_are_refused():
    with pytest.raises(MetricError, match="same subsets"):
        rank_systems({"a": means(0.5, 1, 1, "FDG"), "b": means(0.5, 1, 1, "PSMA")}, "III")
    with pytest.raises(MetricError, match="--steps"):
        rank_systems({"a": means(0.5, 1, 1)}, "IV")


@given(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=1, max_size=6))
def test_ranks_keep_their_sum_and_know_no_scale(rows):
    table = np.array(rows, float)
    ranks = mean_ranks(table, higher_is_better=True)
    count = len(rows)
    assert ranks.sum() == pytest.approx(count * (count + 1) / 2)
    assert ranks.tolist() == mean_ranks(3 * table + 1, higher_is_better=True).tolist()
    assert ranks.tolist() == mean_ranks(-table, higher_is_better=False).tolist()
