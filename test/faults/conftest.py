# SPDX-License-Identifier: Apache-2.0
"""The tiny case and its weights, and a process that forks runs of process.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from petlesion.inference.architectures import network_from_plans
from petlesion.inference.networks import canonical_state
from petlesion.inference.tracer import MipCnn
from petlesion.inference.weights import write_model
from test.faults.forks import Forks
from test.faults.place import Place
from test.inference.models import ENTRY, TRACER
from test.nnunet_reference import toy_dataset, toy_plans, toy_state


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory):
    """One fold of a tiny U-Net for each tracer, and a tracer network."""
    root = tmp_path_factory.mktemp("tiny")
    plans = toy_plans(patch=(16, 16, 16), spacing_mm=(8.0, 8.0, 8.0))
    network = network_from_plans(plans, "3d_fullres", 3, 2)
    network.load_state_dict(toy_state(plans, seed=0))
    for role in ("fdg", "psma"):
        write_model(root, replace(ENTRY, role=role), {0: canonical_state(network)}, plans, toy_dataset())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_model(root, TRACER, {0: MipCnn().state_dict()})
    return root


@pytest.fixture
def place(tmp_path, tiny_weights):
    return Place.make(tmp_path, tiny_weights)


@pytest.fixture(scope="session")
def forks():
    with Forks.open() as server:
        yield server
