# SPDX-License-Identifier: Apache-2.0
"""Weights to start from."""

import pytest
import torch

from petlesion.inference.normalize import Intensity
from petlesion.training.start import STEM, fitted, restated, with_rows


def test_new_statistics_change_nothing_inside_the_patch():
    generator = torch.Generator().manual_seed(0)
    state = {
        STEM + "weight": torch.randn(4, 3, 3, 3, 3, generator=generator),
        STEM + "bias": torch.randn(4, generator=generator),
    }
    old = [Intensity(10.0, 4.0, 0.0, 50.0), Intensity(3.0, 2.0, 0.0, 9.0), None]
    new = [Intensity(-7.0, 1.5, 0.0, 50.0), Intensity(5.0, 8.0, 0.0, 9.0), None]
    image = 10 * torch.randn(1, 3, 6, 6, 6, generator=generator)

    def output(weights, statistics):
        channels = [image[:, i] if s is None else (image[:, i] - s.mean) / s.std for i, s in enumerate(statistics)]
        return torch.nn.functional.conv3d(torch.stack(channels, 1), weights[STEM + "weight"], weights[STEM + "bias"])

    torch.testing.assert_close(output(restated(state, old, new), new), output(state, old), rtol=1e-4, atol=1e-4)


def test_the_given_weights_stay_as_they_are():
    state = {STEM + "weight": torch.ones(1, 1, 1, 1, 1), STEM + "bias": torch.zeros(1)}
    moved = restated(state, [Intensity(0.0, 1.0, 0.0, 1.0)], [Intensity(2.0, 3.0, 0.0, 1.0)])
    assert (float(state[STEM + "weight"].sum()), float(state[STEM + "bias"])) == (1, 0)
    assert (float(moved[STEM + "weight"].sum()), float(moved[STEM + "bias"])) == (3, 2)


def test_missing_rows_come_from_the_fresh_network():
    held, fresh = {"a": torch.tensor([1.0, 2.0]), "b": torch.ones(3)}, {"a": torch.zeros(4), "b": torch.zeros(3)}
    filled = with_rows(held, fresh)
    assert filled["a"].tolist() == [1, 2, 0, 0]
    assert filled["b"].tolist() == [1, 1, 1]


def test_channels_must_agree_in_number():
    with pytest.raises(ValueError, match="zip"):
        restated({STEM + "weight": torch.ones(1, 2, 1, 1, 1), STEM + "bias": torch.zeros(1)}, [None], [None, None])


def test_a_network_with_a_channel_more_and_rows_less_fits():
    name = STEM + "weight"
    held = {name: torch.arange(6.0).reshape(2, 3, 1, 1, 1), "head": torch.tensor([1.0, 2.0]), "count": torch.tensor(5)}
    fresh = {name: torch.zeros(2, 2, 1, 1, 1), "head": torch.zeros(3), "count": torch.tensor(0)}
    found = fitted(held, fresh)
    assert found[name].flatten().tolist() == [0, 1, 3, 4]
    assert found["head"].tolist() == [1, 2, 0]
    assert int(found["count"]) == 5


def test_another_network_does_not_fit():
    assert fitted({"a": torch.zeros(2)}, {"b": torch.zeros(2)}) is None
    assert fitted({"a": torch.zeros(2, 3)}, {"a": torch.zeros(2, 4)}) is None
