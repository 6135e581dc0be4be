# SPDX-License-Identifier: Apache-2.0
"""Depth: every row of the table at its edges, the order of the sweeps, and what the weights must hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from petlesion.inference.plan import InferencePlan, PlanError, plan_inference
from petlesion.limits import Limits
from petlesion.recipe import DepthRow
from petlesion.recipes import LESION_TRACER, MESBAH

STAGE = MESBAH.stages[0]
FOLDS = (0, 1, 2, 3, 4)
SINGLES_PAIRS_TRIPLE = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))


def plan(limits=None, folds=FOLDS, recipe=MESBAH, network=17_240_000, given=52_160_000):
    return plan_inference(recipe, STAGE, limits or Limits(), folds, network_voxels=network, input_voxels=given)


@pytest.mark.parametrize(
    ("voxels", "flips"),
    [
        (1, SINGLES_PAIRS_TRIPLE),
        (17_999_999, SINGLES_PAIRS_TRIPLE),
        (18_000_000, ((), (1,), (2,), (1, 2))),
        (38_999_999, ((), (1,), (2,), (1, 2))),
        (39_000_000, ((), (2,))),
        (45_000_000, ((), (2,))),
        (89_999_999, ((), (2,))),
        (90_000_000, ((),)),
        (160_000_000, ((),)),
    ],
)
def test_each_row_of_the_table_at_its_edges(voxels, flips):
    assert plan(network=voxels).flips == flips
    assert plan(Limits(depth="published"), given=voxels).flips == flips


def test_voxels_counts_the_networks_grid_and_published_the_inputs():
    assert len(plan(network=10_000_000, given=100_000_000).flips) == 8
    assert len(plan(Limits(depth="published"), network=10_000_000, given=100_000_000).flips) == 1


def test_the_deadline_plans_all_flips_whatever_the_size():
    assert plan(Limits(depth="deadline"), network=160_000_000).flips == SINGLES_PAIRS_TRIPLE


def test_the_deadline_mirrors_only_where_the_recipe_does():
    """A network that was trained without mirroring must not be mirrored because there is time."""
    never = replace(MESBAH, depth=(DepthRow(float("inf"), ()),))
    assert plan(Limits(depth="deadline"), recipe=never).flips == ((),)


@pytest.mark.parametrize(
    ("depth", "flips"),
    [(1, ((),)), (2, ((), (2,))), (4, ((), (1,), (2,), (1, 2))), (8, SINGLES_PAIRS_TRIPLE)],
)
def test_a_number_of_flips_is_taken_at_its_word(depth, flips):
    assert plan(Limits(depth=depth), network=160_000_000).flips == flips


def test_all_folds_run_plain_before_any_is_mirrored():
    sweeps = InferencePlan((3, 1), ((), (2,)), 0.5, "").sweeps
    assert sweeps == ((3, ()), (1, ()), (3, (2,)), (1, (2,)))


def test_all_folds_of_the_weights_are_used_unless_some_are_chosen():
    assert plan(folds=(0, 2)).folds == (0, 2)
    assert plan(Limits(folds=(4, 1))).folds == (4, 1)


def test_a_fold_that_the_weights_lack_is_refused_naming_those_that_are_there():
    with pytest.raises(PlanError, match=r"4, 5 asked for, 0, 2 there"):
        plan(Limits(folds=(0, 4, 5)), folds=(0, 2))


def test_weights_without_folds_are_refused():
    with pytest.raises(PlanError, match="at least one fold"):
        plan(folds=())


def test_the_tile_step_is_the_stages_unless_the_user_says_otherwise():
    assert plan().tile_step == STAGE.tile_step == 0.6
    assert plan(Limits(tile_step=0.5)).tile_step == 0.5


@pytest.mark.parametrize(
    ("limits", "voxels", "reason"),
    [
        (Limits(), 17_240_000, "17.2 Mvox on the network's grid are below 18: mirrored along axes 0, 1, 2."),
        (Limits(), 17_999_999, "17.9 Mvox on the network's grid are below 18: mirrored along axes 0, 1, 2."),
        (Limits(), 45_000_000, "45.0 Mvox on the network's grid are below 90: mirrored along axis 2."),
        (Limits(), 90_000_000, "90.0 Mvox on the network's grid are not below 90: not mirrored."),
        (Limits(depth="published"), 0, "52.1 Mvox on the input's grid are below 90: mirrored along axis 2."),
        (Limits(depth=1), 0, "A depth of 1 was asked for: not mirrored."),
        (
            Limits(depth="deadline"),
            0,
            "As many of 8 flips as the time limit allows: mirrored along axes 0, 1, 2.",
        ),
    ],
)
def test_the_reason_is_a_plain_sentence(limits, voxels, reason):
    assert plan(limits, network=voxels).reason == reason


def test_a_table_without_a_last_row_ends_in_no_mirroring():
    short = replace(MESBAH, depth=MESBAH.depth[:1])
    assert plan(recipe=short, network=20_000_000).flips == ((),)
    assert "not below 18" in plan(recipe=short, network=20_000_000).reason


def timed(limits=None, folds=FOLDS):
    return plan(limits, folds, recipe=LESION_TRACER)


@pytest.mark.parametrize(
    ("sweep_s", "left_s", "flips"),
    [
        (10.0, 159.0, ((), (2,))),  # 4 folds x 4 flips x 10 s would take 160 s
        (10.0, 160.0, ((), (1,), (2,), (1, 2))),
        (10.0, 79.0, ((),)),
        (10.0, 0.0, ((),)),
        (1.0, float("inf"), ((), (1,), (2,), (1, 2))),
    ],
)
def test_a_timed_plan_mirrors_the_other_folds_as_deep_as_the_time_left_allows(sweep_s, left_s, flips):
    settled = timed().timed_by(sweep_s, left_s)
    assert timed().flips == ((),)
    assert settled.flips == flips
    assert settled.sweeps[:5] == tuple((fold, ()) for fold in FOLDS)
    assert [flip for fold, flip in settled.sweeps if fold == 0] == [()]
    assert len(settled.sweeps) == 1 + 4 * len(flips)
    assert settled.timed_by(sweep_s, 1e9) == settled
    assert f"{sweep_s:.1f} s" in settled.reason


def test_a_timed_plan_of_one_fold_has_nothing_to_mirror():
    settled = timed(folds=(3,)).timed_by(1.0, 1e9)
    assert settled.sweeps == ((3, ()),)
    assert settled.flips == ((),)
    assert settled.reason == "The first network is not mirrored, and there is no other."


def test_a_timed_plan_mirrors_no_axis_that_training_did_not():
    unmirrored = timed().mirrored_only_along((2,))
    assert unmirrored.timed_by(1.0, 1e9).flips == ((), (2,))
    assert "Training mirrored the axes 2 only" in unmirrored.reason
    assert timed().mirrored_only_along(()).timed_by(1.0, 1e9).flips == ((),)


def test_a_timed_systems_depth_can_be_chosen():
    assert timed(Limits(depth=2)).flips == ((), (2,))
    assert timed(Limits(depth=2)).timed == ()
    assert timed(Limits(depth="deadline")).flips == ((), (1,), (2,), (1, 2))
    assert timed(Limits(depth="published")).timed == LESION_TRACER.depth.choices


def test_a_system_without_depth_mirrors_nothing():
    still = plan(recipe=replace(MESBAH, depth=()))
    assert (still.flips, still.reason) == (((),), "The system mirrors nothing.")


def test_averaged_folds_sweep_as_one():
    found = plan(Limits(depth=2, average_folds=True), folds=(1, 2, 4))
    assert (found.folds, found.networks) == ((1, 2, 4), (1,))
    assert found.sweeps == ((1, ()), (1, (2,)))
    assert plan(Limits(depth=2), folds=(1, 2)).networks == (1, 2)


def test_a_timed_plan_of_averaged_folds_has_one_network_to_time():
    found = plan(Limits(average_folds=True), recipe=LESION_TRACER).timed_by(10.0, 100.0)
    assert found.sweeps == ((0, ()),)
    assert found.flips == ((),)
