# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several rooms share: a store of toy weights and a small case in the platform's sockets."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from petlesion.case import Tracer
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.networks import canonical_state
from petlesion.inference.tracer import MipCnn
from petlesion.inference.weights import ModelStore, write_model
from petlesion.phantom import Phantom, make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid
from test.inference.models import ENTRY, TRACER
from test.nnunet_reference import toy_dataset, toy_plans, toy_state

if TYPE_CHECKING:
    from petlesion.clicks import Clicks

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDS = (0, 1)
TOY_PATCH, TOY_SPACING_MM = (32, 32, 32), (8.0, 8.0, 8.0)


@dataclass(frozen=True)
class ToyCase:
    """A phantom with its clicks, and the folder of sockets that holds it."""

    phantom: Phantom
    clicks: Clicks
    input_dir: Path


@pytest.fixture(scope="session")
def toy_weights(tmp_path_factory) -> Path:
    """A store whose masks follow the PET: for each tracer two folds of a tiny U-Net, and MIP-CNNs that call FDG."""
    root = tmp_path_factory.mktemp("weights")
    plans = toy_plans(patch=TOY_PATCH, spacing_mm=TOY_SPACING_MM)
    states = {fold: _canonical(toy_state(plans, seed=fold), plans) for fold in FOLDS}
    for role in ("fdg", "psma"):
        write_model(root, replace(ENTRY, role=role), states, plans, toy_dataset())
    network = MipCnn()
    with torch.no_grad():
        network.classifier[-1].bias.fill_(-50.0)
    write_model(root, TRACER, dict.fromkeys(FOLDS, network.state_dict()))
    return root


def _canonical(state, plans):
    """Every tensor under one name, as a store keeps it."""
    network = network_from_plans(plans, "3d_fullres", 3, 2)
    network.load_state_dict(state)
    return canonical_state(network)


@pytest.fixture(scope="session")
def toy_store(toy_weights) -> ModelStore:
    return ModelStore.open(toy_weights)


@pytest.fixture(scope="session")
def toy_case(tmp_path_factory) -> ToyCase:
    """A coarse phantom of 60 x 60 x 80 voxels with three lesions and five clicks of each kind."""
    rng = np.random.default_rng(4)
    phantom = make_phantom(Tracer.FDG, rng, grid=Grid((60, 60, 80), (8.0, 8.0, 10.0)), n_lesions=3)
    clicks = simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=5, n_background=5)
    folder = tmp_path_factory.mktemp("case")
    write_phantom(phantom, folder, clicks)
    return ToyCase(phantom, clicks, folder / "input")


@pytest.fixture(scope="session")
def tiny_case(toy_case, tmp_path_factory) -> Path:
    """The sockets of a cube of 32 voxels, one patch, around the first tumour click of the toy case."""
    middle = toy_case.clicks.tumor_xyz[0]
    sizes = toy_case.phantom.pet_suv.grid.size_xyz
    low = [min(max(0, i - 16), n - 32) for i, n in zip(middle, sizes, strict=True)]
    folder = tmp_path_factory.mktemp("tiny") / "input"
    for kind in ("ct", "pet"):
        (source,) = (toy_case.input_dir / "images" / kind).iterdir()
        (folder / "images" / kind).mkdir(parents=True)
        cube = sitk.RegionOfInterest(sitk.ReadImage(str(source)), [32, 32, 32], low)
        sitk.WriteImage(cube, str(folder / "images" / kind / source.name))
    point = {"point": [i - j for i, j in zip(middle, low, strict=True)], "name": "tumor"}
    (folder / "lesion-clicks.json").write_text(json.dumps({"points": [point]}))
    return folder


@pytest.fixture(autouse=True)
def _own_log():
    """A log that a test opened on its own stderr ends with it."""
    yield
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(autouse=True)
def _two_threads():
    """Tests leave torch's number of threads as they found it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
