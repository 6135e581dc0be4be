# SPDX-License-Identifier: Apache-2.0
"""What is said of many cases: arithmetic that a reader can redo, and JSON that any parser takes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.metrics import MetricError
from petlesion.ranking import rank_systems
from petlesion.scores import CaseScores, score
from petlesion.summary import means_for_ranks, rows_of, statistics, summarise


def line(bits):
    return np.array([[[bit == "1" for bit in bits]]])


def case(name, truth, *predictions, **more):
    return CaseScores(name, tuple(score(line(one), line(truth), 1.0) for one in predictions), **more)


HEALTHY = case("b", "0000", "0110")
HALF = case("a", "1100", "0100")  # Dice 2/3
WHOLE = case("c", "1100", "1100")


def test_a_summary_of_nothing_is_refused():
    with pytest.raises(MetricError, match="got 0"):
        summarise([])


def test_statistics_of_nothing_defined():
    assert statistics([math.nan]) == {"mean": None, "sd": None, "median": None, "n": 0, "n_nan": 1}


def test_one_value_has_no_deviation():
    assert statistics([0.5]) == {"mean": 0.5, "sd": None, "median": 0.5, "n": 1, "n_nan": 0}


def test_statistics_by_hand():
    found = statistics([1.0, math.nan, 2.0, 6.0])
    assert found == {"mean": 9 / 3, "sd": pytest.approx(math.sqrt((4 + 1 + 9) / 2)), "median": 2.0, "n": 3, "n_nan": 1}


def test_undefined_scores_are_counted_and_left_out_of_the_mean():
    last = summarise([HALF, HEALTHY, WHOLE])["last"]
    assert last["dice"]["mean"] == pytest.approx((2 / 3 + 1) / 2)
    assert (last["dice"]["n"], last["dice"]["n_nan"]) == (2, 1)
    assert last["fpv_ml"]["mean"] == 2 / 3
    assert (last["fpv_ml"]["n"], last["fpv_ml"]["n_nan"]) == (3, 0)


def test_the_summary_is_strict_json_in_the_order_of_the_names():
    text = json.dumps(summarise([WHOLE, HEALTHY, HALF]), allow_nan=False)
    assert text == json.dumps(summarise([HALF, WHOLE, HEALTHY]), allow_nan=False)
    assert [one["case"] for one in json.loads(text)["cases"]] == ["a", "b", "c"]
    assert json.loads(text)["cases"][1]["steps"][0]["dice"] is None


def test_without_steps_there_are_no_areas():
    assert summarise([HALF])["areas"] == {}
    assert summarise([HALF])["n_steps"] == 1


def test_areas_and_steps_of_an_interaction():
    found = summarise([case("a", "1111", "0000", "1111"), case("b", "1111", "1100", "1111")])
    assert found["areas"]["auc_dice"]["mean"] == pytest.approx(((0 + 1) / 2 + (2 / 3 + 1) / 2) / 2)
    assert [step["dice"]["mean"] for step in found["steps"]] == [pytest.approx((0 + 2 / 3) / 2), 1.0]
    assert found["last"] == found["steps"][-1]


def test_recall_is_pooled_over_the_cases():
    # 1 ml and 3 ml; 1 ml, missed
    found = summarise([case("a", "101110", "001000"), case("b", "100000", "000000")])["recall"]
    assert found["0.5_to_2_ml"] == {"lesions": 2, "touched": 0, "recall": 0.0}
    assert found["2_to_10_ml"] == {"lesions": 1, "touched": 1, "recall": 1.0}
    assert found["10_up_ml"] == {"lesions": 0, "touched": 0, "recall": None}


def test_subsets_have_means_of_their_own():
    cases = [
        case("a", "1100", "1100", tracer="FDG", centre="UKT"),
        case("b", "1100", "0100", tracer="PSMA", centre="LMU"),
        case("c", "1100", "0011", tracer="PSMA", centre="LMU"),
    ]
    found = summarise(cases)["subsets"]
    assert {name: of["n_cases"] for name, of in found.items()} == {"FDG UKT": 1, "PSMA LMU": 2}
    assert found["PSMA LMU"]["last"]["dice"]["mean"] == pytest.approx(1 / 3)


def test_what_was_scored_as_empty_is_named():
    assert summarise([case("a", "11", "00", missing_steps=(0,)), case("b", "11", "11")])["scored_as_empty"] == ["a"]


def test_cases_with_other_numbers_of_steps_or_one_name_are_refused():
    with pytest.raises(MetricError, match="same steps"):
        summarise([case("a", "11", "11"), case("b", "11", "11", "11")])
    with pytest.raises(MetricError, match="different cases"):
        summarise([HALF, HALF])


def test_the_table_has_a_row_for_each_case_and_step():
    rows = rows_of([case("b", "11", "00", "11"), case("a", "00", "00", "11", tracer="FDG")])
    assert [(row["case"], row["tracer"], row["step"]) for row in rows] == [
        ("a", "FDG", 0),
        ("a", "FDG", 1),
        ("b", "", 0),
        ("b", "", 1),
    ]
    assert rows[0]["dice"] is None
    assert rows[2]["auc_dice"] == rows[3]["auc_dice"] == (0 + 1) / 2
    assert len({tuple(row) for row in rows}) == 1


def test_the_table_by_component_size():
    small = score(line("0000"), line("1100"), 1.0)
    cases = [
        case("a", "1100", "1101", by_threshold=((0, WHOLE.last), (3, small))),
        case("b", "1100", "0100", by_threshold=((0, HALF.last), (3, small))),
    ]
    found = summarise(cases)["thresholds"]
    assert [(row["below_voxels"], row["dice"]["mean"], row["fnv_ml"]["mean"]) for row in found] == [
        (0, pytest.approx((1 + 2 / 3) / 2), 0.0),
        (3, 0.0, 2.0),
    ]


def test_a_size_has_a_row_for_each_case_after_its_steps():
    found = case("a", "1100", "0000", "1101", by_threshold=((0, WHOLE.last), (3, HALF.last)))
    rows = rows_of([found])
    assert [(row["step"], row["below_voxels"], row["dice"]) for row in rows] == [
        (0, None, 0.0),
        (1, None, 2 * 2 / (3 + 2)),
        (1, 0, 1.0),
        (1, 3, 2 / 3),
    ]
    assert [row["auc_dice"] for row in rows] == [2 / 5, 2 / 5, None, None]
    assert len({tuple(row) for row in rows}) == 1


def test_a_summary_read_back_is_ranked():
    good, bad = (json.loads(json.dumps(summarise([one, HEALTHY]))) for one in (WHOLE, HALF))
    ranks = rank_systems({"bad": means_for_ranks(bad), "good": means_for_ranks(good)}, "III")
    assert [one.system for one in ranks] == ["good", "bad"]


def test_what_is_no_evaluation_is_not_ranked():
    with pytest.raises(MetricError, match="evaluate first"):
        means_for_ranks({"dice": 1})


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=8))
def test_statistics_stay_within_the_values(values):
    found = statistics(values)
    assert found["n"] + found["n_nan"] == len(values)
    if found["n"]:
        defined = [value for value in values if not math.isnan(value)]
        assert min(defined) - 1e-12 <= found["mean"] <= max(defined) + 1e-12
        assert found["median"] == pytest.approx(np.median(defined))
