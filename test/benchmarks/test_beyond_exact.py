# SPDX-License-Identifier: Apache-2.0
"""Networks that remember, and the means over the cases."""

import copy

import torch
from torch import nn

from benchmarks.beyond_exact import WAYS, Recalled, means, table


class Counting(nn.Module):
    """Twice the tile; counts its calls."""

    calls = 0

    def forward(self, tile):
        self.calls += 1
        return 2 * tile


def test_a_tile_is_answered_once_and_alike():
    network = Recalled(Counting())
    first, second = torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2)
    answers = [network(tile) for tile in (first, second, first.clone())]
    assert network.network.calls == 2
    assert torch.equal(answers[0], answers[2])
    assert torch.equal(answers[1], second)


def test_a_copy_that_gets_other_weights_knows_no_answers():
    network = Recalled(Counting())
    network(torch.ones(1, 1, 1, 1, 1))
    assert copy.deepcopy(network).answers == {}


def case(subset, dice, averaged):
    one = {"fpv_ml": 1.0, "fnv_ml": 2.0, "windows": 10}
    ways = {way: one | {"dice": averaged if way == "averaged" else dice} for way in WAYS}
    return {"subset": subset, "ways": ways}


def test_means_and_differences_are_those_of_each_subset():
    found = means({"a": case("FDG", 0.5, 0.6), "b": case("FDG", 0.7, 0.6), "c": case("PSMA", 0.1, 0.1)})
    assert (found["FDG"]["n"], found["FDG"]["all folds"]["dice"], found["FDG"]["averaged"]["dice"]) == (2, 0.6, 0.6)
    assert found["FDG"]["averaged"]["dice_against_all"] == 0.0  # (0.1 - 0.1) / 2
    low, high = found["FDG"]["averaged"]["interval"]
    assert (low, high) == (-0.1, 0.1)
    assert found["PSMA"]["averaged"]["interval"] == [0.0, 0.0]
    assert "| averaged | 0.6000 | +0.0000 (-0.1000 to +0.1000) | 1.00 | 2.00 | 10.0 |" in table(
        {"a": case("FDG", 0.5, 0.6), "b": case("FDG", 0.7, 0.6)}
    )
