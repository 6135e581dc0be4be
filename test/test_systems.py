# SPDX-License-Identifier: Apache-2.0
"""The walk of the systems that are no mesbah: several stages and ensembles, no tracer, MONAI's networks."""

from __future__ import annotations

import gc
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from petlesion import pipeline
from petlesion.case import PetCtCase, Tracer
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.channels import draw_channels
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.networks import canonical_state
from petlesion.inference.weights import ModelStore, WeightsError, write_model
from petlesion.limits import Limits, OutOfLimitsError
from petlesion.pipeline import segment
from petlesion.recipes import AHAMED, ALLOULA, BASELINE, LESION_TRACER, SAFDARI
from petlesion.report import report_of
from petlesion.table import lesion_table
from test.conftest import TOY_PATCH, TOY_SPACING_MM
from test.inference.models import ENTRY
from test.inference.toy_monai import toy_entry, toy_recipe, write_toy_store
from test.nnunet_reference import toy_dataset, toy_plans

TOY_SAFDARI = toy_recipe(SAFDARI, spacing_mm=20.0)
PLAIN = Limits(body_crop=False)


@pytest.fixture
def case(toy_case):
    return PetCtCase("toy", toy_case.phantom.ct_hu, toy_case.phantom.pet_suv, toy_case.clicks)


@pytest.fixture(scope="module")
def safdari(tmp_path_factory):
    return write_toy_store(tmp_path_factory.mktemp("safdari"), TOY_SAFDARI, folds=(0, 1))


def test_two_stages_and_three_ensembles_make_one_mask(case, safdari):
    result = segment(case, safdari, recipe=SAFDARI)
    assert [stage.model.role for stage in result.stages] == [member.role for member in SAFDARI.members()]
    assert all(stage.sweeps == ((0, ()), (1, ())) for stage in result.stages)
    assert result.mask.grid == case.grid
    assert (result.tracer, result.tracer_model, result.stopped) == (None, None, "")
    report = report_of(result, case_name="toy", recipe_name="safdari", warnings=())
    assert (report["tracer"]["name"], report["tracer"]["given"]) == (None, False)
    assert "tracer not asked for" in lesion_table(report)


def test_a_given_tracer_is_reported_though_nothing_hangs_on_it(case, safdari):
    result = segment(case, safdari, Limits(tracer=Tracer.PSMA), SAFDARI)
    report = report_of(result, case_name="toy", recipe_name="safdari", warnings=())
    assert (report["tracer"]["name"], report["tracer"]["given"]) == ("PSMA", True)


def test_the_first_stages_mask_is_what_the_second_sees(case, safdari, monkeypatch):
    seen = []

    def spy(case, stage, mask):
        seen.append(mask.copy())
        return draw_channels(case, stage, mask)

    monkeypatch.setattr(pipeline, "draw_channels", spy)
    segment(case, safdari, recipe=SAFDARI)
    alone = segment(case, safdari, recipe=replace(SAFDARI, stages=SAFDARI.stages[:1]))
    assert not seen[0].any()
    np.testing.assert_array_equal(seen[1], alone.mask.array_zyx > 0)
    assert seen[1].any()


def test_members_count_alike(case, safdari, monkeypatch):
    """The mean of the three members is that of the members run one by one."""
    second = SAFDARI.stages[1]
    plain, leads = pipeline.restore, []

    def kept(lead, prepared):
        leads.append(lead)
        return plain(lead, prepared)

    def alone(member):
        return replace(SAFDARI, stages=(SAFDARI.stages[0], replace(second, members=(member,))))

    monkeypatch.setattr(pipeline, "restore", kept)
    for recipe in (SAFDARI, *map(alone, second.members)):
        segment(case, safdari, PLAIN, recipe)
    together, *singles = leads[1::2]
    np.testing.assert_allclose(together, np.mean(singles, axis=0), atol=1e-6)


def test_the_time_is_shared_out_among_the_ensembles(case, safdari, monkeypatch):
    ends = []

    def spy(*args, deadline, **options):
        ends.append(deadline.left_s)
        return plain(*args, deadline=deadline, **options)

    plain = pipeline.predict
    monkeypatch.setattr(pipeline, "predict", spy)
    segment(case, safdari, Limits(time_limit_s=4000.0), SAFDARI)
    shares = [end / 4000 for end in ends]
    assert shares == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1.0], abs=0.05)


@pytest.mark.parametrize("ended", ["time", "memory"])
def test_a_member_without_time_or_memory_is_left_out_and_the_first_stage_is_not(
    ended, case, safdari, monkeypatch, caplog
):
    calls: list[int] = []
    late: set[int] = set()

    def short(*args, **options):
        calls.append(1)
        if len(calls) in late:
            raise OutOfLimitsError("a mask needs at least one sweep", ended)
        return plain(*args, **options)

    plain = pipeline.predict
    monkeypatch.setattr(pipeline, "predict", short)
    late.add(3)
    with caplog.at_level(logging.WARNING):
        result = segment(case, safdari, recipe=SAFDARI)
    assert [len(stage.sweeps) for stage in result.stages] == [2, 2, 0, 2]
    assert (result.stages[2].stopped, result.stopped) == (ended, ended)
    assert "an ensemble is left out" in caplog.text
    for first in (1, 2):
        calls.clear()
        late.clear()
        late.add(first)
        with pytest.raises(OutOfLimitsError):
            segment(case, safdari, recipe=SAFDARI)


def test_a_member_whose_networks_do_not_fit_is_left_out(case, safdari, monkeypatch):
    def short(store, entry, *args):
        if entry.role == "stage2_unet":
            raise MemoryError
        return plain(store, entry, *args)

    plain = pipeline.load_network
    monkeypatch.setattr(pipeline, "load_network", short)
    result = segment(case, safdari, recipe=SAFDARI)
    left_out = [stage.model.role for stage in result.stages if not stage.sweeps]
    assert (left_out, result.stopped) == (["stage2_unet"], "memory")


def test_a_gpu_without_room_for_the_networks_is_left_for_the_cpu(case, safdari, monkeypatch, caplog):
    def short(store, entry, fold, device):
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(store, entry, fold, device)

    expected = segment(case, safdari, recipe=SAFDARI)
    plain = pipeline.load_network
    monkeypatch.setattr(pipeline, "load_network", short)
    monkeypatch.setattr(pipeline, "choose_device", lambda _: torch.device("cuda"))
    result = segment(case, safdari, recipe=SAFDARI)
    np.testing.assert_array_equal(result.mask.array_zyx, expected.mask.array_zyx)
    assert caplog.text.count("the GPU has no room") == 1


def test_a_run_leaves_no_case_behind(case, safdari):
    """It goes with its last reference: a server would else hold images until Python looks for cycles."""
    gc.collect()
    gc.disable()
    try:
        segment(case, safdari, recipe=SAFDARI)
        assert not [one for one in gc.get_objects() if type(one) is pipeline._Run]
    finally:
        gc.enable()


def test_the_first_sweep_of_a_stage_may_take_all_the_time_there_is(case, safdari, monkeypatch):
    """The others have their ensemble's share; what a stage can do without has no more than that at all."""
    deadlines = []

    def spy(*args, deadline, **options):
        deadlines.append(deadline)
        return plain(*args, deadline=deadline, **options)

    plain = pipeline.predict
    monkeypatch.setattr(pipeline, "predict", spy)
    segment(case, safdari, Limits(time_limit_s=4000.0), SAFDARI)
    assert [deadline.first_at_s is None for deadline in deadlines] == [False, False, True, True]
    assert all(deadline.first_at_s > deadline.at_s for deadline in deadlines[:2])
    assert deadlines[0].first_at_s == deadlines[1].first_at_s


def test_members_that_do_not_see_the_same_are_refused(case, safdari):
    first = safdari.entry("safdari", "stage1")
    swapped = replace(first, role="stage2_unet", channels=("ct", "pet", "mask"))
    store = ModelStore(safdari.root, tuple(swapped if e.role == "stage2_unet" else e for e in safdari.entries))
    with pytest.raises(WeightsError, match="see one grid"):
        segment(case, store, recipe=SAFDARI)


def test_plans_must_describe_the_weights_beside_them(case, tmp_path):
    recipe = toy_recipe(AHAMED, spacing_mm=20.0)
    (stage,) = recipe.stages
    (member,) = stage.members
    store = write_toy_store(tmp_path, recipe, folds=(0,))
    assert segment(case, store, recipe=recipe).stages[0].sweeps == ((0, ()),)
    other = replace(member.network, arguments=dict(member.network.arguments) | {"norm": "instance"})
    plans = MonaiPlans(other, stage.grid).document()
    write_model(tmp_path / "other", toy_entry(recipe, stage, member), {0: store.load(store.entries[0], 0)}, plans)
    with pytest.raises(WeightsError, match="not of the network"):
        segment(case, ModelStore.open(tmp_path / "other"), recipe=recipe)


def nnunet_store(root, recipe):
    """Two folds of a toy nnU-Net with the recipe's channels."""
    channels = recipe.stages[0].channels
    plans, dataset = toy_plans(patch=TOY_PATCH, spacing_mm=TOY_SPACING_MM), toy_dataset()
    configuration = plans["configurations"]["3d_fullres"]
    for key in ("normalization_schemes", "use_mask_for_norm"):
        configuration[key] = (configuration[key] * 2)[: len(channels)]
    table = plans["foreground_intensity_properties_per_channel"]
    plans["foreground_intensity_properties_per_channel"] = {str(i): table["0"] for i in range(len(channels))}
    dataset = dataset | {"channel_names": {str(i): name for i, name in enumerate(channels)}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        folds = [network_from_plans(plans, "3d_fullres", len(channels), 2) for _ in range(2)]
    entry = replace(ENTRY, system=recipe.name, role="all", channels=channels)
    write_model(root, entry, {fold: canonical_state(one) for fold, one in enumerate(folds)}, plans, dataset)
    return ModelStore.open(root)


@pytest.mark.parametrize("recipe", [LESION_TRACER, ALLOULA, BASELINE], ids=lambda recipe: recipe.name)
def test_nnunets_systems_with_one_ensemble_for_both_tracers(case, tmp_path, recipe):
    result = segment(case, nnunet_store(tmp_path, recipe), recipe=recipe)
    (stage,) = result.stages
    assert result.tracer is None
    if recipe is LESION_TRACER:  # a toy case is swept in no time, so the second fold takes four flips
        assert stage.sweeps == ((0, ()), (1, ()), (1, (1,)), (1, (2,)), (1, (1, 2)))
        assert "The first sweep took" in stage.plan.reason
    else:
        assert stage.sweeps == ((0, ()), (1, ()))
    if recipe is ALLOULA:
        assert all(lesion.n_voxels >= 10 for lesion in result.lesions)
