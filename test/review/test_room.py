# SPDX-License-Identifier: Apache-2.0
"""The state that a page sees, with answers that the test prepares."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.clicks import Clicks
from petlesion.limits import OutOfLimitsError
from petlesion.review.room import MOST_CLICKS, BusyError, RefusedError
from petlesion.review.session import Click
from test.review.conftest import GRID, LARGE, SMALL, box


def test_the_first_answer_is_to_the_clicks_of_the_case(make_bench):
    given = Clicks(((1, 1, 1),), ((2, 2, 2),))
    bench = make_bench(clicks=given)
    state = bench.settled()
    assert bench.engine.asked == [given]
    assert [(one["id"], one["name"], one["point"]) for one in state["clicks"]] == [
        (1, "tumor", [1, 1, 1]),
        (2, "background", [2, 2, 2]),
    ]
    assert (state["revision"], state["can_undo"], state["tiles"]) == (1, False, {"computed": 3, "reused": 4})
    assert np.array_equal(bench.mask(), box(LARGE))
    assert state["seconds"] >= 0


def test_before_the_first_answer_the_mask_is_empty_and_nothing_can_be_done(make_bench):
    bench = make_bench(error=OutOfLimitsError("time ran out"))
    assert bench.settled()["message"] == "no answer: time ran out"
    assert not bench.room.mask(0).unpacked().any()
    for action in (bench.room.undo, bench.room.redo, bench.room.save):
        with pytest.raises(RefusedError, match="no mask yet"):
            action()


def test_a_click_is_shown_at_once_and_answered_later(bench):
    bench.engine.go.clear()
    state = bench.room.click("tumor", (9, 7, 6))
    assert (state["busy"], state["revision"]) == (True, 1)
    assert state["clicks"] == [{"id": 1, "name": "tumor", "point": [9, 7, 6]}]
    bench.engine.go.set()
    state = bench.settled()
    assert (state["revision"], state["can_undo"], state["can_redo"]) == (2, True, False)
    assert np.array_equal(bench.mask(), box(LARGE, SMALL))
    assert bench.engine.asked[-1] == Clicks(((9, 7, 6),))


def test_while_one_thing_is_under_way_no_other_begins(bench):
    bench.engine.go.clear()
    bench.room.click("tumor", (1, 1, 1))
    actions = (
        lambda: bench.room.click("tumor", (2, 2, 2)),
        bench.room.undo,
        bench.room.redo,
        lambda: bench.room.keep_lesion(1, kept=False),
        bench.room.save,
        bench.room.begin,
    )
    for action in actions:
        with pytest.raises(BusyError):
            action()


def test_a_click_that_gets_no_answer_is_taken_away_again(bench):
    bench.engine.error = OutOfLimitsError("memory ran out; give more of it")
    bench.room.click("tumor", (1, 1, 1))
    state = bench.settled()
    assert state["clicks"] == []
    assert (state["revision"], state["message"]) == (1, "no answer: memory ran out; give more of it")
    bench.engine.error = None
    bench.room.click("tumor", (1, 1, 1))
    assert bench.settled()["message"] == ""


@pytest.mark.parametrize("point", [(12, 0, 0), (0, 10, 0), (0, 0, 8), (-1, 0, 0)])
def test_a_click_outside_is_refused(bench, point):
    with pytest.raises(RefusedError, match=r"\(12, 10, 8\)"):
        bench.room.click("tumor", point)
    assert bench.room.state()["busy"] is False


def test_the_same_click_twice_is_refused(bench):
    bench.room.click("tumor", (1, 1, 1))
    bench.settled()
    with pytest.raises(RefusedError, match="already"):
        bench.room.click("tumor", (1, 1, 1))
    bench.room.click("background", (1, 1, 1))


def test_there_is_an_end_of_clicks(bench):
    bench.room.clicks = tuple(Click(n, "tumor", (0, 0, 0)) for n in range(MOST_CLICKS))
    with pytest.raises(RefusedError, match="at most 500 clicks"):
        bench.room.click("tumor", (1, 1, 1))


def test_a_recipe_that_reads_no_clicks_takes_none(make_bench):
    bench = make_bench(reads_clicks=False)
    bench.settled()
    with pytest.raises(RefusedError, match="reads no clicks"):
        bench.room.click("tumor", (1, 1, 1))


def test_undo_brings_back_mask_clicks_and_lesions_and_redo_too(bench):
    before = bench.mask().tobytes()
    bench.room.click("tumor", (9, 7, 6))
    after = bench.settled()
    after_mask = bench.mask().tobytes()
    state = bench.room.undo()
    assert (bench.mask().tobytes(), state["clicks"], len(state["lesions"])) == (before, [], 1)
    assert (state["can_undo"], state["can_redo"], state["revision"]) == (False, True, 3)
    state = bench.room.redo()
    assert (bench.mask().tobytes(), state["lesions"], state["clicks"]) == (
        after_mask,
        after["lesions"],
        after["clicks"],
    )
    with pytest.raises(RefusedError, match="redo"):
        bench.room.redo()


def test_a_removed_lesion_stays_in_the_list_and_leaves_mask_and_totals(bench):
    bench.room.click("tumor", (9, 7, 6))
    voxel_ml = GRID.voxel_ml
    assert bench.settled()["totals"]["tmtv_ml"] == pytest.approx(32 * voxel_ml)
    state = bench.room.keep_lesion(1, kept=False)
    assert [(one["number"], one["kept"]) for one in state["lesions"]] == [(1, False), (2, True)]
    assert state["totals"]["tmtv_ml"] == pytest.approx(8 * voxel_ml)
    assert (state["totals"]["number"], state["totals"]["dmax_mm"]) == (1, None)
    assert state["lesions"][1]["centroid_xyz"] == [8.5, 6.5, 5.5]
    assert np.array_equal(bench.mask(), box(SMALL))
    assert bench.room.undo()["totals"]["number"] == 2


def test_removing_what_is_removed_is_no_new_moment(bench):
    bench.room.keep_lesion(1, kept=False)
    bench.room.keep_lesion(1, kept=False)
    assert bench.room.undo()["can_undo"] is False


def test_a_lesion_that_is_not_there_is_refused(bench):
    with pytest.raises(RefusedError, match="got 2"):
        bench.room.keep_lesion(2, kept=False)


def test_a_former_mask_is_not_given_for_the_one_on_the_screen(bench):
    with pytest.raises(LookupError, match="revision 1; 0"):
        bench.room.mask(0)
