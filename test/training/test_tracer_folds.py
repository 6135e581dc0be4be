# SPDX-License-Identifier: Apache-2.0
"""Training of the tracer networks."""

import numpy as np
import torch

from petlesion.training.loop import Schedule
from petlesion.training.tracer_folds import (
    Pictures,
    PictureTraining,
    _batch,
    in_air,
    mirror,
    new_network,
    train_tracer_folds,
)


def test_an_empty_picture_stays_empty():
    assert not mirror(np.zeros((2, 3), np.float32)).any()


def test_empty_columns_stay_at_the_far_end():
    image = np.array([[1, 2, 3, 0], [4, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(mirror(image), [[3, 2, 1, 0], [0, 0, 4, 0]])


def constant_pictures():
    levels = (1, 9, 2, 3)
    return Pictures(*(np.full((2, 1, 224, 224), level, np.float16) for level in levels))


def test_folds_differ_and_finished_ones_are_read(tmp_path):
    pictures = constant_pictures()
    config = PictureTraining(batch_size=2, start=Schedule(1), fold=Schedule(1))
    states = train_tracer_folds(config, pictures, seed=1, n_folds=2, work=tmp_path)
    assert sorted(states) == [0, 1]
    assert (states[0]["features.0.weight"] != states[1]["features.0.weight"]).any()
    again = train_tracer_folds(config, pictures, seed=1, n_folds=2, work=tmp_path)  # finished folds are read
    assert (again[0]["features.0.weight"] == states[0]["features.0.weight"]).all()


def test_a_fold_leaves_out_its_share():
    numbers = np.arange(5)
    pictures = Pictures(numbers, numbers + 10, numbers + 20, numbers + 30)
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


def test_a_start_is_trained_on(tmp_path):
    start = {key: tensor.clone() for key, tensor in new_network().state_dict().items()}
    config = PictureTraining(batch_size=2, start=Schedule(1, rate=0.0), fold=Schedule(1, rate=0.0))
    states = train_tracer_folds(config, constant_pictures(), seed=1, n_folds=2, work=tmp_path, start=start)
    assert all(torch.equal(states[0][key], start[key]) for key in start)


def test_kinds_that_are_not_there_are_not_drawn():
    some = np.zeros((1, 1, 224, 224), np.float16)
    pictures = Pictures(some, some, some[:0], some[:0])
    config = PictureTraining(batch_size=8, bulky_share=0.5, real_share=0.5)
    images, targets = _batch(pictures, config, np.random.default_rng(0))
    assert images.shape == (8, 1, 224, 224)
    assert targets.tolist() == [0, 1] * 4


def test_a_picture_is_moved_into_its_air_and_loses_nothing():
    image = np.zeros((4, 10), np.float32)
    image[:, :4] = np.arange(1, 5)
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(60):
        moved = in_air(image, rng)
        start = int(np.flatnonzero(moved[0])[0])
        np.testing.assert_array_equal(moved[:, start : start + 4], image[:, :4])
        assert moved.sum() == image.sum()
        starts.add(start)
    assert starts == set(range(7))  # half of them at 3, the middle
    full = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(in_air(full, rng), full)
