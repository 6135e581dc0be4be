# SPDX-License-Identifier: Apache-2.0
"""The training of the default weights, at toy size from beginning to end."""

import numpy as np
import pytest
import torch

from petlesion.case import Tracer
from petlesion.inference.networks import load_network
from petlesion.inference.weights import ModelStore
from petlesion.phantom import STUDY_DIRECTION
from petlesion.training import cases, scans, synthetic
from petlesion.training.loop import Schedule
from petlesion.training.plans import SmallNetwork
from petlesion.training.synthetic import SyntheticTraining, patch_dice, shifted, train_default_weights
from petlesion.volume import Grid

TINY = SyntheticTraining(
    seed=1,
    n_cases=2,
    n_more=1,
    n_validation=1,
    n_checks=2,
    n_statistics=1,
    n_folds=2,
    network=SmallNetwork(features=(4, 4), blocks=(1, 1), patch_zyx=(16, 16, 16), spacing_mm=16.0),
    pretrain=Schedule(2),
    tune=Schedule(1),
    settle=Schedule(1),
    finish=Schedule(1),
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
    monkeypatch.setattr(synthetic, "make_cases", _here)
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


def _here(folder, tracer, seeds, plans):
    """`make_cases` in this process, so that the coarse grid is seen."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        cases.TrainingCase.load(cases._make((folder / f"{tracer}_{seed}.npz", tracer, seed, plans))) for seed in seeds
    ]


class Fixed(torch.nn.Module):
    def forward(self, image):
        return image


def test_dice_is_pooled_over_the_patches():
    # first patch: one voxel found and true; second: one found and wrong, one missed: 2 * 1 / (2 + 2)
    first = torch.tensor([[[[[0.0, 0.0]]], [[[1.0, -1.0]]]]])
    second = torch.tensor([[[[[0.0, 0.0]]], [[[1.0, -1.0]]]]])
    truth = torch.tensor([[[[1, 0]]]]), torch.tensor([[[[0, 1]]]])
    assert patch_dice(Fixed(), [(first, truth[0]), (second, truth[1])]) == pytest.approx(0.5)
    assert patch_dice(Fixed(), []) == 0


def test_tracers_have_their_own_seeds():
    assert {t.lower() for t in Tracer} <= set(synthetic.ROLES)
    assert np.random.default_rng([1, False]).random() != np.random.default_rng([1, True]).random()


def test_the_shift_moves_the_difference_of_the_last_layers_logits_alone():
    state = {f"decoder.seg_layers.{i}.bias": torch.zeros(2) for i in (1, 2, 10)} | {"encoder.bias": torch.ones(1)}
    moved = shifted(state, 3.0)
    last = moved["decoder.seg_layers.10.bias"]
    assert float(last[1] - last[0]) == -3.0
    assert all(torch.equal(moved[key], state[key]) for key in state if "10" not in key)
