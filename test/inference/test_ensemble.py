# SPDX-License-Identifier: Apache-2.0
"""The sweeps: what they compute, when they stop, what a shortage of memory costs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from petlesion.inference import ensemble
from petlesion.inference.ensemble import predict
from petlesion.inference.plan import InferencePlan
from petlesion.inference.tiles import Tiling
from petlesion.inference.workplace import Averaging, Deadline, Workplace
from petlesion.limits import OutOfLimitsError, Terminated

PATCH = (4, 6, 4)
ALL_FLIPS = tuple(c for n in range(4) for c in itertools.combinations((0, 1, 2), n))


class Affine(nn.Module):
    """Logit = factor * first channel + offset, with an optional act before each tile."""

    def __init__(self, factor=1.0, offset=0.0, before=lambda: None):
        super().__init__()
        self.factor, self.offset, self.before = factor, offset, before

    def forward(self, tile):
        self.before()
        return self.factor * tile[:, :1] + self.offset


class Blur(nn.Module):
    """A symmetric network: the mean over a 3^3 neighbourhood."""

    def forward(self, tile):
        return nn.functional.avg_pool3d(tile[:, :1], 3, stride=1, padding=1)


class FirstOfAxis(nn.Module):
    """An asymmetric network: it sees which end of axis 2 comes first."""

    def forward(self, tile):
        ramp = torch.arange(tile.shape[-1], dtype=torch.float32)
        return ramp.expand(tile.shape[0], 1, *tile.shape[2:]).clone()


class Clock:
    """Time that passes only when told."""

    def __init__(self):
        self.time_s = 0.0

    def __call__(self):
        return self.time_s

    def pass_one(self):
        self.time_s += 1.0


@pytest.fixture(autouse=True, scope="module")
def windows_one_by_one():
    """Clocks, counts and failures of these networks are those of one thread; `test_side_by_side` has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "at_once", lambda *_: 1)
        yield


def plan_of(folds=(0,), flips=((),), step=0.5):
    return InferencePlan(folds=folds, flips=flips, tile_step=step, reason="test")


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(2, 9, 13, 7)).astype(np.float32)


@pytest.mark.parametrize("step", [0.3, 0.5, 0.6, 1.0])
def test_twice_the_input_stays_twice_the_input_through_tiling(image, step):
    answer = predict({0: Affine(2.0)}, image, PATCH, plan_of(step=step))
    np.testing.assert_allclose(answer.lead_zyx, 2 * image[0], rtol=1e-5, atol=1e-6)


def test_an_image_smaller_than_the_patch_keeps_its_shape_and_values():
    image = np.random.default_rng(1).normal(size=(1, 3, 2, 5)).astype(np.float32)
    answer = predict({0: Affine()}, image, PATCH, plan_of())
    np.testing.assert_allclose(answer.lead_zyx, image[0], rtol=1e-5, atol=1e-6)


def test_folds_are_averaged(image):
    answer = predict({0: Affine(0.0, 1.0), 3: Affine(0.0, 4.0)}, image, PATCH, plan_of(folds=(0, 3)))
    np.testing.assert_allclose(answer.lead_zyx, 2.5, rtol=1e-6)  # (1 + 4) / 2
    assert answer.sweeps == ((0, ()), (3, ()))


def test_mirrored_equals_plain_for_a_symmetric_network():
    image = np.random.default_rng(2).normal(size=(1, *PATCH)).astype(np.float32)  # one tile: no border inside
    plain = predict({0: Blur()}, image, PATCH, plan_of())
    mirrored = predict({0: Blur()}, image, PATCH, plan_of(flips=ALL_FLIPS))
    np.testing.assert_allclose(mirrored.lead_zyx, plain.lead_zyx, atol=1e-6)
    assert len(mirrored.sweeps) == 8


def test_a_flip_is_undone_on_the_logit():
    image = np.zeros((1, 1, 1, 4), np.float32)
    answer = predict({0: FirstOfAxis()}, image, (1, 1, 4), plan_of(flips=((), (2,))))
    np.testing.assert_allclose(answer.lead_zyx[0, 0], 1.5)  # mean of 0 1 2 3 and 3 2 1 0


def test_folds_come_before_flips(image):
    answer = predict({0: Affine(), 1: Affine()}, image, PATCH, plan_of(folds=(0, 1), flips=((), (2,))))
    assert answer.sweeps == ((0, ()), (1, ()), (0, (2,)), (1, (2,)))


def tiles_of(image, step=0.5):
    return Tiling.of(image.shape[1:], PATCH, step).n_tiles


def test_a_deadline_ends_the_work_after_the_sweeps_that_fit(image):
    clock, tiles = Clock(), tiles_of(image)
    networks = {fold: Affine(0.0, fold, clock.pass_one) for fold in range(4)}
    answer = predict(networks, image, PATCH, plan_of(folds=(0, 1, 2, 3)), deadline=Deadline(2.5 * tiles, clock))
    assert answer.sweeps == ((0, ()), (1, ()))  # the third would end at 3 * tiles
    assert clock.time_s == 2 * tiles  # and was not begun
    assert answer.stopped == "time"
    np.testing.assert_allclose(answer.lead_zyx, 0.5, rtol=1e-6)


def test_a_sweep_cut_by_the_clock_leaves_no_trace(image):
    clock, tiles = Clock(), tiles_of(image)

    def slower():
        clock.time_s += 3.0

    networks = {0: Affine(0.0, 1.0, clock.pass_one), 1: Affine(0.0, 100.0, slower)}
    answer = predict(networks, image, PATCH, plan_of(folds=(0, 1)), deadline=Deadline(2.2 * tiles, clock))
    assert answer.sweeps == ((0, ()),)
    np.testing.assert_allclose(answer.lead_zyx, 1.0, rtol=1e-6)


def test_no_window_is_begun_that_would_end_behind_the_deadline(image):
    """The second sweep's windows take 50 s each; the last that fits is the last that runs."""
    clock, tiles = Clock(), tiles_of(image)

    def slower():
        clock.time_s += 50.0

    networks = {0: Affine(0.0, 1.0, clock.pass_one), 1: Affine(0.0, 100.0, slower)}
    limit_s = tiles + 1.5 * tiles  # more than a sweep as long as the first
    answer = predict(networks, image, PATCH, plan_of(folds=(0, 1)), deadline=Deadline(limit_s, clock))
    assert answer.sweeps == ((0, ()),)
    assert limit_s - 50.0 < clock.time_s <= limit_s


def test_the_first_sweep_may_have_more_time_than_the_others(image):
    clock, tiles = Clock(), tiles_of(image)
    networks = {fold: Affine(0.0, fold, clock.pass_one) for fold in range(3)}
    deadline = Deadline(0.5 * tiles, clock, first_at_s=5.0 * tiles)
    answer = predict(networks, image, PATCH, plan_of(folds=(0, 1, 2)), deadline=deadline)
    assert (answer.sweeps, answer.stopped) == (((0, ()),), "time")


def test_where_nothing_ends_the_others_nothing_ends_the_first_sweep():
    assert Deadline(None, first_at_s=3.0).left_for_the_first_s == float("inf")
    assert Deadline(None).left_for_the_first_s == float("inf")


def test_no_finished_sweep_is_an_error_that_says_so(image):
    clock = Clock()
    with pytest.raises(OutOfLimitsError, match="time ran out"):
        predict({0: Affine(before=clock.pass_one)}, image, PATCH, plan_of(), deadline=Deadline(2.0, clock))


def raise_once(error, at_call):
    calls = itertools.count()

    def act():
        if next(calls) == at_call:
            raise error

    return act


def test_memory_that_ends_on_the_cpu_keeps_the_finished_sweeps(image):
    shortage = raise_once(MemoryError("1 GB"), 2)
    answer = predict({0: Affine(0.0, 1.0), 1: Affine(0.0, 9.0, shortage)}, image, PATCH, plan_of(folds=(0, 1)))
    assert answer.stopped == "memory"
    np.testing.assert_allclose(answer.lead_zyx, 1.0, rtol=1e-6)


def test_the_cpu_allocators_refusal_counts_as_a_lack_of_memory(image):
    refusal = raise_once(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), 0)
    with pytest.raises(OutOfLimitsError, match="memory ran out"):
        predict({0: Affine(before=refusal)}, image, PATCH, plan_of())


def test_another_runtime_error_is_not_mistaken_for_it(image):
    with pytest.raises(RuntimeError, match="a real fault"):
        predict({0: Affine(before=raise_once(RuntimeError("a real fault"), 0))}, image, PATCH, plan_of())


def test_the_ladder_goes_on_with_the_sweep_that_failed(image, caplog):
    """Two shortages cost two rungs; the first sweep, finished before, is not run again."""
    first, second = itertools.count(), itertools.count()
    shortages = iter([torch.OutOfMemoryError("gpu"), torch.OutOfMemoryError("gpu")])

    def short():
        next(second)
        for error in shortages:
            raise error

    tiling = Tiling.of(image.shape[1:], PATCH, 0.5)
    place = Workplace(
        torch.from_numpy(tiling.pad(image)),
        tiling,
        Averaging(),
        torch.device("cpu"),
        Deadline(),
        lambda _: None,
    )
    place.rung = 0  # as on a GPU
    networks = {0: Affine(0.0, 1.0, lambda: next(first)), 1: Affine(0.0, 3.0, short)}
    done, _, stopped, _ = ensemble._run(networks, plan_of(folds=(0, 1)), place)
    assert (len(done), stopped, place.rung) == (2, "", 2)
    assert next(first) == tiling.n_tiles
    assert [r.message for r in caplog.records] == [
        "memory is short: image and sums move to the host",
        "memory is short: the CPU takes over",
    ]


def test_the_workplace_is_set_up_on_the_first_rung_with_room(image, monkeypatch):
    rungs, plain = [], Workplace.__post_init__

    def short(place):
        rungs.append(place.rung)
        if place.rung < 2:
            raise torch.OutOfMemoryError("gpu")
        plain(place)

    monkeypatch.setattr(Workplace, "__post_init__", short)
    answer = predict({0: Affine(2.0)}, image, PATCH, plan_of())
    assert rungs == [0, 1, 2]
    np.testing.assert_allclose(answer.lead_zyx, 2 * image[0], rtol=1e-5, atol=1e-6)


def test_no_room_for_a_workplace_is_an_error_that_says_so(image, monkeypatch):
    def short(_):
        raise MemoryError

    monkeypatch.setattr(Workplace, "__post_init__", short)
    with pytest.raises(OutOfLimitsError, match="no memory") as caught:
        predict({0: Affine()}, image, PATCH, plan_of())
    assert caught.value.ended == "memory"


def test_a_step_that_finds_no_memory_keeps_the_finished_sweeps(image, monkeypatch):
    tiling = Tiling.of(image.shape[1:], PATCH, 0.5)
    place = Workplace(
        *(torch.from_numpy(tiling.pad(image)), tiling, Averaging(), torch.device("cpu")),
        *(Deadline(), lambda _: None),
    )
    place.rung = 0  # as on a GPU
    shortage = raise_once(torch.OutOfMemoryError("gpu"), 0)
    networks = {0: Affine(0.0, 1.0), 1: Affine(before=shortage)}

    def no_room(*_args):
        raise MemoryError

    def then_short():
        monkeypatch.setattr(torch.Tensor, "to", no_room)
        shortage()

    networks[1].before = then_short
    done, _, stopped, _ = ensemble._run(networks, plan_of(folds=(0, 1)), place)
    assert (done, stopped, place.rung) == ([(0, ())], "memory", 0)


def test_a_network_of_halves_runs_on_the_cpu(image):
    # the ladder's last rung takes networks from a GPU, where their convolutions are fp16
    halves = nn.Conv3d(1, 1, 1, bias=False)
    nn.init.constant_(halves.weight, 2.0)
    answer = predict({0: halves.half()}, image[:1], PATCH, plan_of())
    np.testing.assert_allclose(answer.lead_zyx, 2 * image[0], rtol=1e-5, atol=1e-6)


def test_termination_keeps_the_finished_sweeps(image):
    stop = raise_once(Terminated(), 1)
    answer = predict({0: Affine(0.0, 1.0), 1: Affine(before=stop)}, image, PATCH, plan_of(folds=(0, 1)))
    assert (answer.stopped, len(answer.sweeps)) == ("terminated", 1)


def test_termination_before_any_sweep_goes_through(image):
    with pytest.raises(Terminated):
        predict({0: Affine(before=raise_once(Terminated(), 1))}, image, PATCH, plan_of())


def test_the_observer_sees_every_tile(image):
    seen = []
    predict({0: Affine(), 1: Affine()}, image, PATCH, plan_of(folds=(0, 1)), observer=seen.append)
    tiles = tiles_of(image)
    assert [(p.sweep, p.tile) for p in seen] == [(s, t) for s in (1, 2) for t in range(1, tiles + 1)]
    assert {(p.sweeps, p.tiles) for p in seen} == {(2, tiles)}


def test_probabilities_are_averaged_where_the_recipe_says_so(image):
    """sigmoid(ln 3) = 3/4 and sigmoid(-ln 3) = 1/4: their mean is one half, and so is that of the logits; 0 and ln 3
    give 1/2 and 3/4, so 5/8 and a lead of 1/8, where the mean logit is ln(3) / 2."""
    networks = {0: Affine(0.0, 0.0), 1: Affine(0.0, float(np.log(3.0)))}
    averaging = Averaging("monai", "probability")
    answer = predict(networks, image, PATCH, plan_of(folds=(0, 1)), averaging=averaging)
    np.testing.assert_allclose(answer.lead_zyx, 1 / 8, rtol=1e-5)
    logits = predict(networks, image, PATCH, plan_of(folds=(0, 1)))
    np.testing.assert_allclose(logits.lead_zyx, np.log(3.0) / 2, rtol=1e-5)


def test_a_timed_plan_is_settled_by_its_first_sweep(image):
    clock = Clock()
    tiles = Tiling.of(image.shape[1:], PATCH, 0.5).n_tiles
    networks = {fold: Affine(0.0, 1.0, clock.pass_one) for fold in range(3)}
    plan = replace(plan_of(folds=(0, 1, 2)), timed=((), (2,), (1, 2)))
    answer = predict(networks, image, PATCH, plan, deadline=Deadline(tiles * 6.0, clock))
    # one sweep is gone and five fit: two folds take two flips each, not four
    assert answer.plan.flips == ((), (2,))
    assert answer.sweeps == ((0, ()), (1, ()), (2, ()), (1, (2,)), (2, (2,)))
    assert answer.stopped == ""


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 20.0), st.sampled_from([(), (0,), (0, 1), (0, 1, 2)]))
def test_depth_by_time_fills_the_limit_and_does_not_pass_it(limit_in_sweeps, more_folds):
    """Sweeps take 6 s each by the clock of the test; one more is begun only where 6.6 s are left."""
    image = np.ones((1, 4, 6, 8), np.float32)  # three tiles
    tiles = tiles_of(image)
    clock, folds = Clock(), (9, *more_folds)

    def pass_two():
        clock.time_s += 2.0

    limit_s, sweep_s = limit_in_sweeps * 2.0 * tiles, 2.0 * tiles
    networks = {fold: Affine(before=pass_two) for fold in folds}
    try:
        answer = predict(networks, image, PATCH, plan_of(folds, ALL_FLIPS), deadline=Deadline(limit_s, clock))
    except OutOfLimitsError:
        assert limit_s <= sweep_s
        return
    assert clock.time_s == len(answer.sweeps) * sweep_s
    assert clock.time_s <= limit_s
    if len(answer.sweeps) < 8 * len(folds):
        assert answer.stopped == "time"
        assert limit_s - clock.time_s < 1.1 * sweep_s
    assert answer.sweeps == tuple((fold, flip) for flip in ALL_FLIPS for fold in folds)[: len(answer.sweeps)]
