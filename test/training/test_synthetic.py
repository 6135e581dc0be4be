# SPDX-License-Identifier: Apache-2.0
"""The training of the default weights, at toy size from beginning to end."""

import pytest
import torch

from petlesion.inference.networks import load_network
from petlesion.inference.weights import ModelStore
from petlesion.phantom import STUDY_DIRECTION
from petlesion.training import cases, scans, stages
from petlesion.training.configuration import RealData, SyntheticTraining
from petlesion.training.loop import Schedule
from petlesion.training.plans import SmallNetwork
from petlesion.training.synthetic import train_default_weights
from petlesion.volume import Grid

TINY = SyntheticTraining(
    seed=1,
    n_cases=3,
    n_validation=1,
    n_checks=2,
    n_statistics=1,
    n_folds=2,
    network=SmallNetwork(features=(4, 4), blocks=(1, 1), patch_zyx=(16, 16, 16), spacing_mm=16.0),
    pretrain=Schedule(2),
    tune=Schedule(1),
    fold=Schedule(1),
)


@pytest.fixture
def coarse(monkeypatch):
    grid = Grid((40, 30, 60), (12.0, 12.0, 16.0), (-240.0, 180.0, -960.0), STUDY_DIRECTION)
    monkeypatch.setattr(scans, "_grid", lambda *_: grid)


def test_an_unknown_role_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the roles are"):
        train_default_weights(tmp_path, roles=("liver",))


@pytest.mark.usefixtures("coarse")
def test_from_a_seed_to_a_store(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "make_cases", _here)
    train_default_weights(tmp_path / "out", roles=("psma",), config=TINY, work=tmp_path / "work")
    store = ModelStore.open(tmp_path / "out")
    entry = store.entry("mesbah", "psma")
    assert entry.synthetic
    assert entry.fold_numbers == (0, 1)
    network = load_network(store, entry, 1, torch.device("cpu"))
    assert network(torch.zeros(1, 3, 16, 16, 16)).shape == (1, 1, 16, 16, 16)
    curve = (tmp_path / "work" / "psma.csv").read_text().splitlines()
    assert curve[0] == "step,loss,validation_dice"
    assert len(curve) == 2


@pytest.mark.usefixtures("coarse")
def test_a_training_may_start_from_a_store(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "make_cases", _here)
    train_default_weights(tmp_path / "first", roles=("fdg",), config=TINY, work=tmp_path / "work")
    real = RealData(start=tmp_path / "first")
    train_default_weights(tmp_path / "second", roles=("fdg",), config=TINY, real=real, work=tmp_path / "more")
    assert not (tmp_path / "more" / "pretrain.pt").exists()
    assert ModelStore.open(tmp_path / "second").entry("mesbah", "fdg").fold_numbers == (0, 1)


def _here(folder, sources, plans):
    """`make_cases` in this process, so that the coarse grid is seen."""
    folder.mkdir(parents=True, exist_ok=True)
    return [cases.TrainingCase.load(cases._make((folder / f"{s.name}.npz", s, plans))) for s in sources]
