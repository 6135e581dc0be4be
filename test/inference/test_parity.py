# SPDX-License-Identifier: Apache-2.0
"""The issue's bar: with the crop off, input and mask are those of stock nnU-Net on the same weights."""

import numpy as np
import pytest

from petlesion.inference.architectures import network_from_plans
from petlesion.inference.ensemble import predict
from petlesion.inference.networks import fuse_binary_head
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.normalize import Scheme
from petlesion.inference.plan import InferencePlan
from petlesion.inference.preprocess import prepare, restore
from test.inference.restoring import restore_logit
from test.nnunet_reference import (
    SPACING_MM,
    Stock,
    stock_prepared,
    stock_restored,
    toy_dataset,
    toy_plans,
    toy_state,
    write_model,
)

FOLDS = (0, 1)
TILE_STEP = 0.6
PATCH = (32, 48, 48)
PSMA_SPACING_MM = (2.0, 4.07283, 4.07283)

CASES = {  # shape (Z, Y, X), spacing in mm, transpose_forward
    "on the plan's spacing": ((44, 72, 72), SPACING_MM, (0, 1, 2)),
    "resampled": ((72, 36, 32), PSMA_SPACING_MM, (0, 1, 2)),
    "separate z": ((16, 64, 64), (8.0, 2.0, 2.0), (0, 1, 2)),
    "transposed": ((72, 36, 32), PSMA_SPACING_MM, (2, 0, 1)),
    "smaller than the patch": ((28, 44, 46), SPACING_MM, (0, 1, 2)),
}
AS_RELEASED = ("on the plan's spacing", "resampled")  # compared with stock as it is; the others with its sums in fp32
MIRRORED = {"on the plan's spacing": (2,), "smaller than the patch": (0, 1, 2)}


def phantom(shape, spacing_mm, seed=0):
    """CT, PET and a guidance channel of an ellipsoid body with two hot spheres, (3, Z, Y, X)."""
    rng = np.random.default_rng(seed)
    sizes_mm = np.multiply(shape, spacing_mm)
    places = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), axis=-1) * spacing_mm
    body = (np.square(places / sizes_mm * 2 - 1) / [1.5, 0.6, 0.8]).sum(axis=-1) < 1
    ct = np.where(body, 40.0, -1000.0) + rng.normal(0, 10, shape)
    pet = np.where(body, 1.0, 0.05)
    for centre, radius_mm in (((0.35, 0.5, 0.4), 30.0), ((0.75, 0.6, 0.6), 15.0)):
        pet[np.linalg.norm(places - sizes_mm * centre, axis=-1) < radius_mm] = 12.0
    clicks = np.exp(-np.square(places - sizes_mm * 0.5).sum(axis=-1) / 800.0)
    return np.stack([ct, pet + rng.normal(0, 0.05, shape), clicks]).astype(np.float32)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def ours(image, spacing_mm, plans, states, flips):
    known = NnunetPlans.parse(plans, toy_dataset())
    networks = {}
    for fold, state in states.items():
        network = network_from_plans(plans, "3d_fullres", 3, 2)
        network.load_state_dict(state)
        networks[fold] = fuse_binary_head(network).eval()
    given = prepare(list(image), spacing_mm, known)
    plan = InferencePlan(tuple(states), flips, TILE_STEP, "as stock")
    answer = predict(networks, given.array_czyx, known.patch_zyx, plan)
    return restore(answer.lead_zyx, given)


@pytest.mark.parametrize("name", CASES)
def test_the_prepared_input_is_that_of_nnunet(name):
    shape, spacing_mm, forward = CASES[name]
    image, plans = phantom(shape, spacing_mm), toy_plans(PATCH, forward=forward)
    given = prepare(list(image), spacing_mm, NnunetPlans.parse(plans, toy_dataset()))
    np.testing.assert_allclose(given.array_czyx, stock_prepared(image, spacing_mm, plans), rtol=0, atol=1e-4)


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("masked", [False, True])
def test_every_normalisation_is_that_of_nnunet(scheme, masked):
    image = phantom((16, 20, 24), SPACING_MM)
    body = image[0] > -500
    body[8, 9, 10] = False  # a hole, which nnU-Net fills
    image *= body
    plans = toy_plans(PATCH, schemes=(scheme,) * 3, masks=(masked, False, masked))
    given = prepare(list(image), SPACING_MM, NnunetPlans.parse(plans, toy_dataset()))
    expected = stock_prepared(image, SPACING_MM, plans)
    assert given.array_czyx.shape[1:] != image.shape[1:]  # air was cropped off
    np.testing.assert_allclose(given.array_czyx, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_logit_comes_back_as_with_nnunet(name):
    shape, spacing_mm, forward = CASES[name]
    image, plans = phantom(shape, spacing_mm), toy_plans(PATCH, forward=forward)
    given = prepare(list(image), spacing_mm, NnunetPlans.parse(plans, toy_dataset()))
    logit = given.array_czyx[1] - 0.3
    expected = stock_restored(np.stack([np.zeros_like(logit), logit]), image, spacing_mm, plans) > 0
    decided = np.abs(restore_logit(logit, given)) > 1e-5  # where float32 and float64 must agree
    assert decided.mean() > 0.999
    assert 1000 < np.count_nonzero(expected) < expected.size / 2
    np.testing.assert_array_equal(restore(logit, given)[decided], expected[decided])


@pytest.mark.parametrize("name", CASES)
def test_the_mask_is_that_of_nnunet(tmp_path, name):
    """Stock adds its tiles in half precision; where that is mended, not one voxel differs."""
    (shape, spacing_mm, forward), axes = CASES[name], MIRRORED.get(name, ())
    image, plans = phantom(shape, spacing_mm), toy_plans(PATCH, forward=forward)
    states = {fold: toy_state(plans, seed=fold) for fold in FOLDS}
    stock = Stock.load(write_model(tmp_path / "model", plans, states), FOLDS, tile_step=TILE_STEP, axes=axes)
    expected = stock.mask(image, spacing_mm, in_fp32=name not in AS_RELEASED) > 0
    flips = tuple(
        tuple(axis for axis, chosen in zip(axes, bits, strict=True) if chosen) for bits in np.ndindex(*(2,) * len(axes))
    )
    mask = ours(image, spacing_mm, plans, states, flips)
    assert np.count_nonzero(expected) > 3000
    assert dice(mask, expected) >= (0.9999 if name in AS_RELEASED else 1.0)
