# SPDX-License-Identifier: Apache-2.0
"""Small weights of the systems beside mesbah, at toy size from phantoms to a mask."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from petlesion.case import PetCtCase, Tracer
from petlesion.inference.networks import count_parameters
from petlesion.inference.normalize import Intensity
from petlesion.inference.weights import ModelStore
from petlesion.limits import UsageError
from petlesion.pipeline import segment
from petlesion.recipes import AHAMED, ALLOULA, BASELINE, LESION_TRACER, RECIPES, SAFDARI
from petlesion.training import small_systems, stages
from petlesion.training.configuration import RealData
from petlesion.training.learners import learner_of
from petlesion.training.loop import Schedule
from petlesion.training.small_systems import SMALL, train_system_weights
from petlesion.training.stages import Ground
from petlesion.training.studies import patient_folds
from test.training.test_synthetic import TINY, _here, coarse  # noqa: F401 - a fixture

TINY_SYSTEM = replace(TINY, system=Schedule(1), system_fold=Schedule(1))
TINY_PATCHES = {
    key: small if key[1] == "stage2_swinunetr" else replace(small, patch=(16, 16, 16)) for key, small in SMALL.items()
}


@pytest.mark.usefixtures("coarse")
def test_safdari_from_phantoms_to_a_mask(tmp_path, toy_case, monkeypatch):
    monkeypatch.setattr(stages, "make_cases", _here)
    monkeypatch.setattr(small_systems, "SMALL", TINY_PATCHES)
    made = []

    def spy(learner, network, case):
        mask = plain(learner, network, case)
        made.append((learner.member.role, network, case, mask))
        return mask

    plain = small_systems._mask
    monkeypatch.setattr(small_systems, "_mask", spy)
    train_system_weights(tmp_path / "out", SAFDARI, config=TINY_SYSTEM, work=tmp_path / "work")
    store = ModelStore.open(tmp_path / "out")
    store.verify()
    assert {e.role: e.fold_numbers for e in store.entries} == {
        "stage1": (0, 1),
        "stage2_swinunetr": (0,),
        "stage2_segresnetds": (0, 1),
        "stage2_unet": (0, 1),
    }
    assert {role for role, *_ in made} == {"stage1"}
    assert len({id(network) for _, network, *_ in made}) == 2  # each fold makes the masks of what it left out
    for _, _, one, mask in made:
        assert mask.shape == one.truth_zyx.shape
    case = PetCtCase("toy", toy_case.phantom.ct_hu, toy_case.phantom.pet_suv, toy_case.clicks)
    result = segment(case, store, recipe=SAFDARI)
    assert [len(stage.sweeps) for stage in result.stages] == [2, 1, 2, 2]


@pytest.mark.usefixtures("coarse")
def test_lesion_tracer_learns_from_both_tracers_and_forgets_its_organs(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "make_cases", _here)
    train_system_weights(tmp_path / "out", LESION_TRACER, config=TINY_SYSTEM, work=tmp_path / "work")
    store = ModelStore.open(tmp_path / "out")
    (entry,) = store.entries
    assert (entry.system, entry.role, entry.channels) == ("lesion_tracer", "all", ("ct", "pet"))
    assert entry.synthetic
    heads = [shape for key, shape in store.shapes(entry, 0).items() if key.startswith("decoder.seg_layers.")]
    assert {shape[0] for shape in heads} == {2}
    names = {path.name for path in (tmp_path / "work" / "cases").glob("*.npz")}
    assert {name.split("_")[0] for name in names} == {tracer.value for tracer in Tracer}


def test_a_fold_leaves_out_what_mesbahs_does():
    class Source:
        def __init__(self, tracer, patient):
            self.tracer, self.patient = tracer, patient

    cases = {Source(tracer, f"{tracer} {i // 2}"): None for i in range(12) for tracer in Tracer}
    for fold in range(3):
        away = small_systems._left_out(cases, 3, fold)
        for tracer in Tracer:
            own = [s for s in cases if s.tracer is tracer]
            assert {s for s in away if s.tracer is tracer} == patient_folds(own, 3)[fold]
    everywhere = [small_systems._left_out(cases, 3, fold) for fold in range(3)]
    assert set().union(*everywhere) == set(cases)
    assert sum(map(len, everywhere)) == len(cases)


def test_a_system_without_a_small_size_is_refused(tmp_path):
    with pytest.raises(UsageError, match="got baseline"):
        train_system_weights(tmp_path, BASELINE, work=tmp_path / "work")


def test_all_small_weights_together_stay_below_25_mb():
    anything = Intensity(0.0, 1.0, -1.0, 1.0)
    n_bytes = 0
    for (name, role), small in SMALL.items():
        learner = learner_of(RECIPES[name], *RECIPES[name].placed(role), small, (anything, anything), spacing_mm=4.0)
        with torch.device("meta"):
            network = learner.build()
        n_bytes += small.folds * 2 * count_parameters(network)
    assert n_bytes < 25e6


def test_training_starts_from_own_weights_or_from_mesbahs_where_they_fit(tmp_path):
    mesbah = ModelStore.open()
    ground = Ground.of(TINY, RealData(), tmp_path)

    def start(recipe, store):
        stage, member = recipe.placed("all")
        small = SMALL[recipe.name, "all"]
        learner = learner_of(recipe, stage, member, small, ground.intensities, spacing_mm=4.0)
        return small_systems._start(ground, learner, store), learner

    found, learner = start(LESION_TRACER, mesbah)
    network = learner.build()
    network.load_state_dict(found, strict=False)
    assert set(found) <= set(network.state_dict())
    plain = replace(mesbah, entries=tuple(e for e in mesbah.entries if e.system == "mesbah"))
    assert start(ALLOULA, plain)[0] is None  # another network
    assert start(AHAMED, plain)[0] is None
    assert start(LESION_TRACER, replace(mesbah, entries=()))[0] is None
