# SPDX-License-Identifier: Apache-2.0
"""The scanner blurs as its point spread says, adds noise that grows with uptake, and keeps air empty."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from petlesion.phantom.organs import Organ
from petlesion.phantom.scanner import FWHM_PER_SIGMA, Scanner, blur, draw_scanner, move, scan_ct, scan_pet
from petlesion.volume import Grid

GRID = Grid((40, 40, 40), (2.0, 2.0, 2.0))
STILL = Scanner(fwhm_mm=6, pet_noise=0.1, noise_fwhm_mm=5, ct_noise_hu=10, breath_mm=0, slip_mm=0)


def labels_of(organ):
    return np.full(GRID.shape_zyx, organ, dtype=np.uint8)


def test_a_point_becomes_as_wide_as_the_point_spread():
    point = np.zeros(GRID.shape_zyx, dtype=np.float32)
    point[20, 20, 20] = 1
    spread = blur(point, GRID, 6 / FWHM_PER_SIGMA)[20, 20]
    assert spread.sum() > 0
    assert spread[20 + 3] / spread[20] == pytest.approx(2 ** -((2 * 3 / 3) ** 2), rel=0.05)  # 6 mm off, half width 3 mm


def test_nothing_taken_up_is_nearly_nothing_seen():
    pet = scan_pet(np.zeros(GRID.shape_zyx, dtype=np.float32), GRID, STILL, np.random.default_rng(0))
    assert 0 <= pet.min() <= pet.max() < 0.1


@pytest.mark.parametrize("suv", [1.0, 4.0, 16.0])
def test_noise_grows_with_the_root_of_uptake(suv):
    pet = scan_pet(np.full(GRID.shape_zyx, suv, dtype=np.float32), GRID, STILL, np.random.default_rng(0))
    assert pet.mean() == pytest.approx(suv, rel=0.02)
    assert pet.std() == pytest.approx(0.1 * suv**0.5, rel=0.05)


@pytest.mark.parametrize(("organ", "low", "high"), [(Organ.AIR, -1024, -950), (Organ.FAT, -120, -80)])
def test_ct_shows_the_density(organ, low, high):
    ct = scan_ct(labels_of(organ), GRID, STILL, np.random.default_rng(0))
    assert ct.dtype == np.float32
    assert low < np.median(ct) < high
    assert ct.min() >= -1024


def test_who_lies_still_is_not_moved():
    labels = np.random.default_rng(0).integers(0, 30, GRID.shape_zyx).astype(np.uint8)
    assert (move(labels, GRID, STILL, np.random.default_rng(0)) == labels).all()


@pytest.mark.parametrize("upright", [1.0, -1.0])
def test_breathing_moves_the_diaphragm_and_not_the_head(upright):
    grid = Grid((2, 2, 400), (4.0, 4.0, 3.0), direction=(1, 0, 0, 0, upright, 0, 0, 0, upright))
    heights = np.arange(400, dtype=np.uint16)[:, None, None] * np.ones((1, 2, 2), dtype=np.uint16)
    moved = move(heights, grid, dataclasses.replace(STILL, breath_mm=9.0), np.random.default_rng(0))
    lift = moved[:, 0, 0].astype(int) - np.arange(400)
    head, diaphragm = (399, 399 - 167) if upright > 0 else (0, 167)  # 500 mm from the top at 3 mm
    assert lift[head] == 0
    assert lift[diaphragm] == lift.max() == 3


def test_drawn_scanners_are_within_reason():
    rng = np.random.default_rng(0)
    assert all(4 <= draw_scanner(rng).fwhm_mm <= 7 for _ in range(50))


@pytest.mark.parametrize("upright", [1.0, -1.0])
def test_breath_blurs_a_plane_at_the_diaphragm_and_not_at_the_head(upright):
    grid = Grid((4, 4, 400), (4.0, 4.0, 3.0), direction=(1, 0, 0, 0, upright, 0, 0, 0, upright))
    planes = (395, 399 - 167) if upright > 0 else (4, 167)  # beside the head's end, 500 mm from it
    activity = np.zeros(grid.shape_zyx, np.float32)
    activity[list(planes)] = 5.0
    quiet = dataclasses.replace(STILL, pet_noise=0.0)
    still = scan_pet(activity.copy(), grid, quiet, np.random.default_rng(0))
    moved = scan_pet(activity.copy(), grid, dataclasses.replace(quiet, breath_mm=12.0), np.random.default_rng(0))
    head, diaphragm = planes
    assert moved[head].max() == still[head].max()
    assert moved[diaphragm].max() < 0.75 * still[diaphragm].max()
    assert moved.sum() == pytest.approx(still.sum(), rel=0.02)
