# SPDX-License-Identifier: Apache-2.0
"""The rules of a review, on masks of a few voxels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from petlesion.clicks import Clicks
from petlesion.review.session import Click, History, PackedMask, Snapshot, clicks_of
from test.review.conftest import LARGE, SMALL, answer_of, box

TUMOR, OTHER = Click(1, "tumor", (1, 1, 1)), Click(2, "background", (9, 7, 6))


def first(*boxes):
    return Snapshot.first((), answer_of(box(*boxes)))


def then(snapshot, *boxes, click=OTHER):
    return snapshot.then((*snapshot.clicks, click), answer_of(box(*boxes)))


def shown(snapshot):
    return snapshot.shown.unpacked()


def test_clicks_keep_their_order_within_each_kind():
    clicks = (OTHER, TUMOR, Click(3, "tumor", (0, 0, 0)))
    assert clicks_of(clicks) == Clicks(((1, 1, 1), (0, 0, 0)), ((9, 7, 6),))


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=3, max_dims=3, max_side=7)))
def test_a_mask_comes_out_as_it_was_packed(mask):
    unpacked = PackedMask.of(mask).unpacked()
    assert (unpacked.dtype, unpacked.shape, unpacked.tobytes()) == (mask.dtype, mask.shape, mask.tobytes())


def test_at_first_everything_is_kept():
    snapshot = first(LARGE, SMALL)
    assert snapshot.kept == (True, True)
    assert np.array_equal(shown(snapshot), box(LARGE, SMALL))


def test_a_removed_lesion_is_not_in_the_mask_and_comes_back():
    removed = first(LARGE, SMALL).with_lesion(1, kept=False)
    assert removed.kept == (False, True)
    assert np.array_equal(shown(removed), box(SMALL))
    back = removed.with_lesion(1, kept=True)
    assert back.kept == (True, True)
    assert np.array_equal(shown(back), box(LARGE, SMALL))
    assert not back.remembered.unpacked().any()


@pytest.mark.parametrize("number", [0, 3])
def test_a_lesion_that_is_not_there_is_named(number):
    with pytest.raises(LookupError, match=rf"1 to 2; got {number}"):
        first(LARGE, SMALL).with_lesion(number, kept=False)


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        (((0, 4), (0, 3), (0, 3)), False),  # 24 of 36 voxels are remembered
        (((0, 4), (0, 3), (1, 3)), True),  # 12 of 24: a half is not more than a half
        (((1, 3), (0, 2), (0, 1)), False),  # it shrank
        (((0, 4), (5, 8), (0, 2)), True),  # another one
    ],
)
def test_removed_it_stays_removed_where_more_than_half_of_it_was(after, kept):
    removed = first(LARGE, SMALL).with_lesion(1, kept=False)
    answered = then(removed, after, SMALL)
    assert np.array_equal(shown(answered), box(after, SMALL) if kept else box(SMALL))


def test_one_that_grows_little_by_little_stays_removed():
    snapshot = first(((0, 4), (0, 4), (0, 2))).with_lesion(1, kept=False)
    for depth in (3, 5, 8):  # each time less than twice as much; 8 is four times the first
        snapshot = then(snapshot, ((0, 4), (0, 4), (0, depth)))
        assert snapshot.kept == (False,)
        assert not shown(snapshot).any()


def test_what_vanished_and_comes_again_is_still_removed():
    removed = first(LARGE, SMALL).with_lesion(2, kept=False)
    gone = then(removed, LARGE)
    assert gone.kept == (True,)
    assert then(gone, LARGE, SMALL).kept == (True, False)


def test_a_tumour_click_in_a_removed_lesion_brings_it_back():
    removed = first(LARGE, SMALL).with_lesion(1, kept=False).with_lesion(2, kept=False)
    assert then(removed, LARGE, SMALL, click=TUMOR).kept == (True, False)
    assert then(removed, LARGE, SMALL, click=Click(1, "background", (1, 1, 1))).kept == (False, False)


def test_bringing_one_back_leaves_a_neighbour_of_a_former_answer_removed():
    left, right = ((0, 2), (0, 2), (0, 2)), ((3, 5), (0, 2), (0, 2))
    removed = first(left).with_lesion(1, kept=False)
    both = then(removed, left, right).with_lesion(2, kept=False)
    assert both.kept == (False, False)
    assert both.with_lesion(1, kept=True).kept == (True, False)


def test_undo_and_redo_give_back_the_very_bytes():
    moments = [first(LARGE)]
    moments.append(then(moments[-1], LARGE, SMALL))
    moments.append(moments[-1].with_lesion(2, kept=False))
    history = History(moments[0]).then(moments[1]).then(moments[2])
    for moment in reversed(moments[:-1]):
        history = history.undo()
        assert shown(history.now).tobytes() == shown(moment).tobytes()
        assert (history.now.clicks, history.now.kept) == (moment.clicks, moment.kept)
    with pytest.raises(LookupError, match="undo"):
        history.undo()
    for moment in moments[1:]:
        history = history.redo()
        assert shown(history.now).tobytes() == shown(moment).tobytes()
    with pytest.raises(LookupError, match="redo"):
        history.redo()


def test_a_new_moment_forgets_what_was_undone():
    history = History(first(LARGE)).then(first(SMALL)).undo().then(first(LARGE, SMALL))
    with pytest.raises(LookupError, match="redo"):
        history.redo()


@given(st.lists(st.tuples(st.integers(1, 2), st.booleans()), max_size=5))
def test_the_mask_is_always_that_of_the_lesions_that_are_kept(steps):
    snapshot = first(LARGE, SMALL)
    for number, kept in steps:
        snapshot = snapshot.with_lesion(number, kept=kept)
    expected = box(*(one for one, kept in zip((LARGE, SMALL), snapshot.kept, strict=True) if kept))
    assert np.array_equal(shown(snapshot), expected)
