# SPDX-License-Identifier: Apache-2.0
"""Cases on the network's grid: nnU-Net's files, our clicks, organs and second PET."""

import json
import pickle

import blosc2
import numpy as np
import pytest
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from petlesion.images import read_image
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.preprocess import prepare
from petlesion.training.dataset import PLANS_NAME
from petlesion.training.preprocessed import CLICKS, STEPS_PER_SUV, extras_folder, in_steps, preprocess_case
from petlesion.training.raw_case import CaseFacts

NAME = "fdg_0000000001_01-01-2001"


@pytest.fixture
def folders(prepared):
    return prepared.folders


@pytest.fixture
def documents(folders):
    return tuple(json.loads((folders.preprocessed / f"{name}.json").read_text()) for name in (PLANS_NAME, "dataset"))


def properties_of(folders, name=NAME):
    return pickle.loads((folders.cases / f"{name}.pkl").read_bytes())  # noqa: S301 - written by this test


def test_steps_keep_the_order_of_a_value_and_a_cut():
    suv = np.array([0, 0.99 / STEPS_PER_SUV, 2.9999, 3.0, 4.0, 5.0, 1e9], np.float32)
    assert in_steps(suv).tolist() == [0, 0, 179, 180, 240, 255, 255]


def test_the_networks_see_in_training_what_they_see_at_inference(folders, documents):
    data, seg, _, properties = infer_dataset_class(str(folders.cases))(str(folders.cases)).load_case(NAME)
    channels = [read_image(folders.raw / "imagesTr" / f"{NAME}_{i:04d}.mha").array_zyx for i in range(3)]
    ours = prepare(channels, (20.0, 14.0, 14.0), NnunetPlans.parse(*documents))
    np.testing.assert_allclose(data[:], ours.array_czyx, atol=1e-4)
    assert seg.shape == (1, *data.shape[1:])
    assert set(np.unique(seg[:])) <= {-1, 0, 1}
    assert len(properties["class_locations"][1]) > 0


def test_clicks_come_to_the_networks_grid_and_back(folders):
    clicks = properties_of(folders)[CLICKS]
    facts = CaseFacts.load(folders.raw / "studies" / f"{NAME}.npz")
    np.testing.assert_allclose(clicks["scale_zyx"], [1, 16 / 14, 16 / 14], rtol=0.03)
    back = (clicks["tumor_zyx"] + 0.5) * clicks["scale_zyx"] - 0.5
    ended = (facts.tumor_xyz < 0).any(axis=-1)
    np.testing.assert_array_equal(np.isnan(back).all(axis=-1), ended)
    np.testing.assert_allclose(back[~ended][:, ::-1], facts.tumor_xyz[~ended], atol=1e-9)  # images are not cropped
    pet = read_image(folders.raw / "imagesTr" / f"{NAME}_0001.mha").array_zyx
    x, y, z = facts.tumor_xyz[0, 0]
    assert clicks["tumor_suv"][0, 0] == pet[z, y, x]


def test_organs_and_the_second_pet_share_the_grid(folders):
    extras = extras_folder(folders.cases)
    shape = infer_dataset_class(str(folders.cases))(str(folders.cases)).load_case(NAME)[0].shape[1:]
    organs, steps = (blosc2.open(str(extras / f"{NAME}_{kind}.b2nd"))[:] for kind in ("organs", "suv"))
    assert organs.shape == steps.shape == shape
    assert 1 < len(np.unique(organs)) <= 15
    pet = read_image(folders.raw / "imagesTr" / f"{NAME}_0001.mha").array_zyx
    assert set(np.unique(steps)) <= set(np.unique(in_steps(pet)))


def test_a_case_without_an_organ_map_has_none(folders):
    assert not (extras_folder(folders.cases) / "fdg_0000000004_01-01-2001_organs.b2nd").exists()


def test_a_complete_case_is_not_done_again(folders, documents):
    before = {path: path.stat().st_mtime_ns for path in folders.preprocessed.rglob("*")}
    preprocess_case(NAME, folders, *documents)
    assert {path: path.stat().st_mtime_ns for path in folders.preprocessed.rglob("*")} == before
