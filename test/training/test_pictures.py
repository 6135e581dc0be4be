# SPDX-License-Identifier: Apache-2.0
"""Pictures for the tracer networks."""

import numpy as np
import torch

from petlesion.case import Tracer
from petlesion.phantom import STUDY_DIRECTION, make_phantom
from petlesion.training.loop import Schedule
from petlesion.training.pictures import (
    Pictures,
    PictureTraining,
    bulky_tumour,
    field_of_view,
    mirror,
    new_network,
    train_tracer_folds,
)
from petlesion.volume import Grid, Volume


def test_an_empty_picture_stays_empty():
    assert not mirror(np.zeros((2, 3), np.float32)).any()


def test_empty_columns_stay_at_the_far_end():
    image = np.array([[1, 2, 3, 0], [4, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(mirror(image), [[3, 2, 1, 0], [0, 0, 4, 0]])


def test_the_first_view_is_the_whole_and_the_others_are_parts():
    grid = Grid((40, 30, 60), (12.0, 12.0, 16.0), (-240.0, 180.0, -960.0), STUDY_DIRECTION)
    phantom = make_phantom(Tracer.FDG, np.random.default_rng(0), grid=grid, n_lesions=2)
    assert field_of_view(phantom, 0, np.random.default_rng(0)) is phantom.pet_suv
    for number in range(1, 9):
        part = field_of_view(phantom, number, np.random.default_rng(number))
        assert 1 <= part.grid.n_voxels < grid.n_voxels


def test_a_bulky_tumour_lies_in_the_middle_of_its_box():
    grid = Grid((40, 30, 60), (12.0, 12.0, 16.0), (-240.0, 180.0, -960.0), STUDY_DIRECTION)
    pet = Volume(np.full(grid.shape_zyx, 0.5, np.float32), grid)
    hottest = []
    for seed in range(5):
        box = bulky_tumour(pet, np.random.default_rng(seed))
        assert box.grid.n_voxels <= grid.n_voxels
        assert box.array_zyx.min() >= 0.5  # it is added to what is there
        hottest.append(box.array_zyx.max())
    assert min(hottest) > 1


def constant_pictures(folder):
    (folder / "pictures").mkdir()
    for kind, level in (("FDG", 1), ("PSMA", 9), ("bulky", 2)):
        np.save(folder / "pictures" / f"{kind}.npy", np.full((2, 1, 224, 224), level, np.float16))


def test_folds_are_trained_from_pictures_on_disk(tmp_path):
    constant_pictures(tmp_path)
    config = PictureTraining(batch_size=2, start=Schedule(1), fold=Schedule(1))
    states = train_tracer_folds(config, seed=1, n_folds=2, work=tmp_path)
    assert sorted(states) == [0, 1]
    assert (states[0]["features.0.weight"] != states[1]["features.0.weight"]).any()
    again = train_tracer_folds(config, seed=1, n_folds=2, work=tmp_path)  # finished folds are read
    assert (again[0]["features.0.weight"] == states[0]["features.0.weight"]).all()


def test_a_fold_leaves_out_its_share():
    numbers = np.arange(5)
    pictures = Pictures(numbers, numbers + 10, numbers + 20)
    assert pictures.part(1, 3, left_out=True).psma.tolist() == [11, 14]
    assert pictures.part(1, 3, left_out=False).psma.tolist() == [10, 12, 13]


def test_a_fresh_network_is_alive():
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of other draws, some are dead from the start: four units before the last leave no more
        network = new_network()
    rng = np.random.default_rng(0)
    logits = network(torch.from_numpy(rng.gamma(1, 2, (4, 1, 224, 224)).astype(np.float32)))
    assert torch.isfinite(logits).all()
    logits.sum().backward()
    assert network.features[0].weight.grad.abs().sum() > 0
