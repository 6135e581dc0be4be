# SPDX-License-Identifier: Apache-2.0
"""Networks that stay: built once, the same for every case, and built anew where a case has moved them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from petlesion.case import PetCtCase
from petlesion.challenge import read_case
from petlesion.inference.networks import load_network
from petlesion.inference.residents import ResidentStore
from petlesion.limits import Limits
from petlesion.pipeline import segment

CPU = torch.device("cpu")


@pytest.fixture
def residents(toy_store):
    return ResidentStore.of(toy_store)


@pytest.fixture
def built(residents):
    """Asks for a fold of the FDG ensemble; counts how often it is built."""
    count = []

    def build(*arguments):
        count.append(arguments[2])
        return load_network(*arguments)

    def ask(fold=0, device=CPU):
        network = residents.network(residents.entry("mesbah", "fdg"), fold, device, build)
        return network, len(count)

    return ask


def test_a_plain_store_builds_anew_each_time(toy_store):
    entry = toy_store.entry("mesbah", "fdg")
    first, second = (toy_store.network(entry, 0, CPU, load_network) for _ in range(2))
    assert first is not second


def test_a_network_is_built_once(built, residents, toy_store):
    first, _ = built()
    second, count = built()
    assert first is second
    assert count == 1
    assert (residents.root, residents.entries) == (toy_store.root, toy_store.entries)


def test_folds_models_and_devices_are_told_apart(built, residents):
    networks = [built(0)[0], built(1)[0], built(0, torch.device("meta"))[0]]
    psma = residents.network(residents.entry("mesbah", "psma"), 0, CPU, load_network)
    assert len({id(network) for network in (*networks, psma)}) == 4


def test_a_network_that_was_moved_or_widened_is_built_anew(built):
    first, _ = built()
    first.half()  # as the CPU's step of the ladder changes what a GPU held, the other way round
    second, count = built()
    assert (second is not first, count) == (True, 2)
    assert {tensor.dtype for tensor in second.parameters()} == {torch.float32}
    next(iter(second.modules())).to("meta")
    third, count = built()
    assert count == 3
    assert {tensor.device for tensor in third.parameters()} == {CPU}
    assert built()[1] == 3


def test_the_file_is_not_read_again(built, monkeypatch):
    network, _ = built()
    monkeypatch.setattr(ResidentStore, "load", lambda *_: pytest.fail("read again"))
    assert built()[0] is network


def test_masks_are_those_of_networks_that_were_just_built(tiny_case, toy_store, residents):
    clicked = read_case(tiny_case).case
    cases = [clicked, PetCtCase("b", clicked.ct_hu, clicked.pet_suv)]
    limits = Limits(depth=1)
    for case in (*cases, *cases):
        fresh, kept = (segment(case, store, limits) for store in (toy_store, residents))
        np.testing.assert_array_equal(fresh.mask.array_zyx, kept.mask.array_zyx)
        assert fresh.tracer == kept.tracer
        assert fresh.lesions == kept.lesions
    assert sorted((name, fold) for name, fold, _ in residents.held) == [
        ("mesbah/fdg", 0),
        ("mesbah/fdg", 1),
        ("mesbah/tracer", 0),
        ("mesbah/tracer", 1),
    ]
