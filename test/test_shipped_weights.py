# SPDX-License-Identifier: Apache-2.0
"""The weights that ship: whole, small, said to be synthetic, and every system works with them out of the box."""

import json
import time

import numpy as np
import pytest

from petlesion import entry
from petlesion.case import Tracer
from petlesion.images import read_image
from petlesion.inference.networks import check_models
from petlesion.inference.weights import ModelStore
from petlesion.phantom import make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.recipes import AHAMED, ALLOULA, LESION_TRACER, MESBAH, SAFDARI
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid

SHIPPED = (MESBAH, LESION_TRACER, ALLOULA, AHAMED, SAFDARI)


@pytest.fixture(scope="module")
def store():
    return ModelStore.open()


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """A phantom of 360 x 360 x 360 mm with large lesions, as sockets."""
    rng = np.random.default_rng(11)
    phantom = make_phantom(Tracer.FDG, rng, grid=Grid((72, 72, 72), (5.0, 5.0, 5.0)), n_lesions=6)
    folder = tmp_path_factory.mktemp("trunk")
    write_phantom(phantom, folder, simulate_clicks(phantom.truth, phantom.pet_suv, rng))
    return folder / "input", phantom


def test_every_file_is_what_the_manifest_says(store):
    store.verify()
    check_models(store)


def test_every_shipped_system_is_whole_and_said_to_be_synthetic(store):
    for recipe in SHIPPED:
        roles = {member.role for member in recipe.members()}
        assert roles <= {one.role for one in store.entries if one.system == recipe.name}
    assert all(one.synthetic and "not for clinical use" in one.training_data for one in store.entries)


def test_the_systems_beside_mesbah_take_25_mb_at_most(store):
    files = [path for path in store.root.rglob("*.safetensors") if "mesbah" not in path.parts]
    assert files
    assert sum(path.stat().st_size for path in files) <= 25e6


@pytest.mark.parametrize("name", [recipe.name for recipe in SHIPPED])
def test_a_system_finds_lesions_out_of_the_box(name, trunk, tmp_path):
    folder, phantom = trunk
    words = ["--input", str(folder), "--output", str(tmp_path), "--recipe", name, "--depth", "1", "--folds", "0"]
    assert entry.main([*words, "--tracer", "FDG"], started_s=time.monotonic()) == 0
    (path,) = (tmp_path / "images/tumor-lesion-segmentation").iterdir()
    mask = read_image(path, "mask")
    assert mask.grid.same_as(phantom.pet_suv.grid)
    found = np.count_nonzero((mask.array_zyx > 0) & (phantom.truth.array_zyx > 0))
    assert found > 0
    assert json.loads((tmp_path / "report.json").read_text())["recipe"] == name


def test_a_system_without_weights_is_refused_by_name(trunk, tmp_path, capsys):
    folder, _ = trunk
    words = ["--input", str(folder), "--output", str(tmp_path), "--recipe", "baseline"]
    assert entry.main(words, started_s=time.monotonic()) == 4
    assert "baseline" in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.rglob("*.mha")) == []
