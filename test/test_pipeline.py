# SPDX-License-Identifier: Apache-2.0
"""The walk as a whole: what a case becomes, and that no odd case breaks it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import numpy as np
import pytest

from petlesion.case import PetCtCase, Tracer
from petlesion.clicks import Clicks
from petlesion.inference.plan import PlanError
from petlesion.inference.published import import_nnunet_folder
from petlesion.inference.tile_memory import MemoryTiles
from petlesion.inference.weights import ModelStore, write_model
from petlesion.limits import Limits, OutOfLimitsError
from petlesion.metrics import dice
from petlesion.pipeline import choose_device, segment
from petlesion.postprocess import apply_rules
from petlesion.recipes import MESBAH
from petlesion.report import report_of
from petlesion.volume import Grid, Volume
from test.inference.models import TRACER
from test.nnunet_reference import Stock, toy_plans, toy_state
from test.nnunet_reference import write_model as write_nnunet_folder

ONE = Limits(depth=1)


@pytest.fixture
def case(toy_case):
    return PetCtCase("toy", toy_case.phantom.ct_hu, toy_case.phantom.pet_suv, toy_case.clicks)


def test_a_case_becomes_a_mask_on_the_grid_of_its_pet(case, toy_store):
    result = segment(case, toy_store, ONE)
    assert result.mask.grid == case.grid
    assert result.mask.array_zyx.dtype == np.uint8
    assert set(np.unique(result.mask.array_zyx)) == {0, 1}
    assert result.tracer.tracer is Tracer.FDG
    assert result.tracer.votes == (Tracer.FDG, Tracer.FDG)
    assert result.stages[0].sweeps == ((0, ()), (1, ()))
    assert result.stopped == ""
    assert sum(lesion.n_voxels for lesion in result.lesions) == result.mask.array_zyx.sum()


def test_the_same_case_gives_the_same_mask(case, toy_store):
    first, second = (segment(case, toy_store, ONE).mask.array_zyx for _ in range(2))
    assert np.array_equal(first, second)


def test_every_step_is_timed(case, toy_store):
    seconds = segment(case, toy_store, ONE).seconds
    assert list(seconds) == ["tracer", "heatmap", "prepare", "load", "sweeps", "restore", "components"]


def test_without_clicks_and_with_background_clicks_alone(case, toy_store):
    background = Clicks((), case.clicks.background_xyz)
    assert background
    for clicks in (Clicks(), background):
        given = PetCtCase("odd", case.ct_hu, case.pet_suv, clicks)
        assert set(np.unique(segment(given, toy_store, ONE).mask.array_zyx)) <= {0, 1}


def test_the_given_tracer_is_taken_and_nobody_votes(case, toy_store):
    result = segment(case, toy_store, Limits(depth=1, tracer=Tracer.PSMA))
    assert (result.tracer.tracer, result.tracer.votes) == (Tracer.PSMA, ())
    assert result.stages[0].model.role == "psma"


def test_the_call_routes_to_its_ensemble(case, toy_store):
    assert segment(case, toy_store, ONE).stages[0].model.role == "fdg"


def test_a_chosen_fold_runs_alone(case, toy_store):
    result = segment(case, toy_store, Limits(depth=1, folds=(1,)))
    assert result.stages[0].sweeps == ((1, ()),)


def test_a_fold_that_is_not_there_is_named(case, toy_store):
    with pytest.raises(PlanError, match="7"):
        segment(case, toy_store, Limits(folds=(7,)))


def test_the_body_crop_sweeps_less_and_can_be_left_out(case, toy_store):
    cropped, whole = (segment(case, toy_store, Limits(depth=1, body_crop=crop)) for crop in (True, False))
    assert np.prod(cropped.stages[0].network_shape_zyx) < np.prod(whole.stages[0].network_shape_zyx)
    assert whole.stages[0].box_zyx == ((0, 0, 0), case.grid.shape_zyx)


def test_all_flips_of_a_small_case(case, toy_store):
    result = segment(case, toy_store, Limits(folds=(0,)))
    assert len(result.stages[0].sweeps) == 8  # far below 18 Mvox


def test_no_time_is_an_error_that_says_so(case, toy_store):
    with pytest.raises(OutOfLimitsError, match="time ran out"):
        segment(case, toy_store, Limits(time_limit_s=0.01))


def test_the_clock_starts_where_the_process_did(case, toy_store):
    an_hour_ago = time.monotonic() - 3600
    with pytest.raises(OutOfLimitsError, match="time ran out"):
        segment(case, toy_store, Limits(started_s=an_hour_ago, time_limit_s=900))


def test_an_endless_limit_never_stops(case, toy_store):
    an_hour_ago = time.monotonic() - 3600
    result = segment(case, toy_store, Limits(depth=1, started_s=an_hour_ago, time_limit_s=float("inf")))
    assert result.stopped == ""


def test_a_wish_for_a_gpu_where_there_is_none_is_answered_aloud(caplog, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert choose_device("cuda").type == "cpu"
    assert "no CUDA device" in caplog.text


def test_a_case_of_the_third_row_of_the_depth_table(toy_store):
    """45 million voxels: the row in which the released code crashed, an int where a tuple was due."""
    grid = Grid((400, 400, 282), (2.0364, 2.0364, 3.0))
    ct = Volume(np.full(grid.shape_zyx, 30.0, np.float32), grid)
    pet = np.full(grid.shape_zyx, 0.5, np.float32)
    pet[100:110, 200:215, 200:215] = 30.0
    case = PetCtCase("large", ct, Volume(pet, grid), Clicks(((207, 207, 105),)))
    result = segment(case, toy_store, Limits(depth="published", folds=(0,), tile_step=1.0))
    assert [flip for _, flip in result.stages[0].sweeps] == [(), (2,)]
    assert result.mask.array_zyx[105, 207, 207] == 1
    assert result.mask.array_zyx[20, 20, 20] == 0


def test_an_imported_nnunet_folder_gives_stock_nnunets_mask(tmp_path, case):
    """From the folder to the PET grid: import, fp32 store, pipeline, against nnUNetPredictor on the same folder."""
    plans = toy_plans(patch=(32, 32, 32), spacing_mm=(8.0, 8.0, 8.0))
    folder = write_nnunet_folder(tmp_path / "model", plans, {fold: toy_state(plans, seed=fold) for fold in (0, 1)})
    imported = import_nnunet_folder(
        folder,
        recipe_name="mesbah",
        role="fdg",
        out=tmp_path / "store",
        licence="CC0-1.0",
        source="a test",
        channels=("ct", "pet", "clicks"),
        half=False,
    )
    assert imported.entry.fold_numbers == (0, 1)
    given = PetCtCase("plain", case.ct_hu, case.pet_suv)  # without clicks the third channel is zero for both
    limits = Limits(depth=2, body_crop=False, tracer=Tracer.FDG)
    result = segment(given, ModelStore.open(tmp_path / "store"), limits)
    image = np.stack([given.ct_hu.array_zyx, given.pet_suv.array_zyx, np.zeros_like(given.pet_suv.array_zyx)])
    stock = Stock.load(folder, (0, 1), tile_step=0.6, axes=(2,))
    # the phantom's uptake is continuous, so half precision alone would flip a voxel or two at |logit| ~ 0
    stock_mask = stock.mask(image, given.grid.spacing_zyx_mm, in_fp32=True) > 0
    expected = apply_rules(stock_mask, given.pet_suv.array_zyx, 1000 * given.grid.voxel_ml, MESBAH.post)
    found = result.mask.array_zyx > 0
    assert found.sum() > 100
    assert dice(found, expected) >= 0.9999


def test_axes_that_training_did_not_mirror_are_not_mirrored(tmp_path, case, toy_store):
    fdg = toy_store.entry("mesbah", "fdg")
    states = {0: toy_store.load(fdg, 0)}
    entry = replace(fdg, mirror_axes=(1,))
    write_model(tmp_path, entry, states, toy_store.plans(fdg), toy_store.dataset(fdg))
    tracer = toy_store.entry("mesbah", "tracer")
    write_model(tmp_path, TRACER, {0: toy_store.load(tracer, 0)})
    result = segment(case, ModelStore.open(tmp_path), Limits(depth=8))
    assert [flip for _, flip in result.stages[0].sweeps] == [(), (1,)]
    assert "mirror" in result.stages[0].plan.reason


@pytest.mark.parametrize("upside_down", [False, True])
def test_the_headers_tracer_goes_before_the_vote_with_a_warning(case, toy_store, upside_down):
    """The toy networks call FDG; the header says PSMA. So too where the case is turned for the networks."""
    if upside_down:
        grid = replace(case.grid, direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
        ct, pet = (Volume(one.array_zyx, grid) for one in (case.ct_hu, case.pet_suv))
        case = replace(case, ct_hu=ct, pet_suv=pet)
    result = segment(replace(case, recorded_tracer=Tracer.PSMA), toy_store, replace(ONE, folds=(0,)))
    assert (result.tracer.tracer, result.tracer.recorded) == (Tracer.PSMA, Tracer.PSMA)
    assert result.tracer.votes == (Tracer.FDG, Tracer.FDG)
    assert [stage.model.role for stage in result.stages] == ["psma"]
    (doubt,) = result.tracer.doubts
    assert doubt.startswith(
        "the header names PSMA as tracer, the images look like FDG: PSMA is taken; give --tracer FDG"
    )
    agreed = segment(replace(case, recorded_tracer=Tracer.FDG), toy_store, replace(ONE, folds=(0,)))
    assert (agreed.tracer.tracer, agreed.tracer.doubts) == (Tracer.FDG, ())


def test_a_click_more_computes_the_tiles_anew_that_see_it(case, toy_store):
    memory, fewer = MemoryTiles(), replace(case, clicks=replace(case.clicks, tumor_xyz=case.clicks.tumor_xyz[:-1]))
    without = segment(case, toy_store, ONE)
    first, second, third = (segment(one, toy_store, ONE, memory=memory) for one in (fewer, case, case))
    for result in (second, third):
        assert np.array_equal(result.mask.array_zyx, without.mask.array_zyx)
        assert result.lesions == without.lesions
    tiles = [result.stages[0].tiles for result in (first, second, third)]
    n = tiles[0].computed
    assert (tiles[0].reused, tiles[2].computed, tiles[2].reused) == (0, 0, n)
    assert tiles[1].computed + tiles[1].reused == n
    assert 0 < tiles[1].computed < n
    assert without.stages[0].tiles is None
    assert report_of(second, case_name="toy", recipe_name="mesbah", warnings=())["stages"][0]["tiles"] == {
        "computed": tiles[1].computed,
        "reused": tiles[1].reused,
    }


def test_averaged_folds_run_as_one_network(case, toy_store):
    result = segment(case, toy_store, Limits(depth=1, average_folds=True))
    assert (result.stages[0].plan.folds, result.stages[0].sweeps) == ((0, 1), ((0, ()),))
    alone = segment(case, toy_store, Limits(depth=1, average_folds=True, folds=(0,)))
    plain = segment(case, toy_store, Limits(depth=1, folds=(0,)))
    assert np.array_equal(alone.mask.array_zyx, plain.mask.array_zyx)


def test_a_memory_does_not_take_averaged_folds_for_the_first(case, toy_store):
    memory = MemoryTiles()
    segment(case, toy_store, Limits(depth=1, folds=(0,)), memory=memory)
    first, again = (segment(case, toy_store, Limits(depth=1, average_folds=True), memory=memory) for _ in range(2))
    assert first.stages[0].tiles.reused == again.stages[0].tiles.computed == 0
