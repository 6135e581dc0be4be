# SPDX-License-Identifier: Apache-2.0
"""Bounds of a run are checked where they are made."""

from __future__ import annotations

import pytest

from petlesion.limits import Limits


@pytest.mark.parametrize("depth", ["voxels", "published", "deadline", 1, 2, 4, 8])
def test_depths_that_exist(depth):
    assert Limits(depth=depth).depth == depth


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"depth": 3}, "1, 2, 4 or 8"),
        ({"depth": 0}, "1, 2, 4 or 8"),
        ({"depth": "deep"}, "1, 2, 4 or 8"),
        ({"tile_step": 0.0}, r"\(0, 1\]"),
        ({"tile_step": 1.1}, r"\(0, 1\]"),
        ({"tile_step": float("nan")}, r"\(0, 1\]"),
        ({"time_limit_s": 0.0}, "positive"),
        ({"time_limit_s": float("nan")}, "positive"),
        ({"folds": ()}, "at least one"),
        ({"folds": (1, 1)}, "once each"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Limits(**wrong)
