# SPDX-License-Identifier: Apache-2.0
"""Phantoms are exact, repeatable, and look like the tracer that they claim."""

from __future__ import annotations

from functools import cache

import cc3d
import numpy as np
import pytest

from petlesion.case import PetCtCase, Tracer
from petlesion.phantom.organs import Organ
from petlesion.phantom.study import STUDY_DIRECTION, default_grid, make_phantom
from petlesion.phantom.uptake import parameters
from petlesion.volume import Grid

COARSE = Grid((80, 66, 120), (6.0, 6.0, 8.0), (-240.0, 200.0, -960.0), STUDY_DIRECTION)
HEAD_ONLY = Grid((20, 20, 16), (12.0, 12.0, 12.0))


@cache
def phantom(tracer, seed, n_lesions=None, grid=COARSE):
    return make_phantom(tracer, np.random.default_rng(seed), grid=grid, n_lesions=n_lesions)


def parts_of(one):
    """Each lesion's number at its voxels."""
    return cc3d.connected_components(one.truth.array_zyx.copy(), connectivity=26)


def images(one):
    return [one.ct_hu.array_zyx, one.pet_suv.array_zyx, one.truth.array_zyx, one.organs.array_zyx]


@pytest.mark.parametrize("tracer", Tracer)
def test_a_healthy_study_has_an_empty_truth(tracer):
    healthy = phantom(tracer, 0, 0)
    assert healthy.lesions == ()
    assert not healthy.truth.array_zyx.any()


@pytest.mark.parametrize("tracer", Tracer)
def test_it_makes_an_admissible_case(tracer):
    one = phantom(tracer, 1)
    assert [a.dtype for a in images(one)] == [np.float32, np.float32, np.uint8, np.uint8]
    assert PetCtCase("phantom", one.ct_hu, one.pet_suv).grid == COARSE
    assert all(np.isfinite(a).all() for a in images(one))
    assert set(np.unique(one.truth.array_zyx)) <= {0, 1}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    once, again, other = (make_phantom(Tracer.FDG, np.random.default_rng(s), grid=COARSE) for s in (1, 1, 2))
    assert [a.tobytes() for a in images(once)] == [a.tobytes() for a in images(again)]
    assert once.lesions == again.lesions
    assert once.pet_suv.array_zyx.tobytes() != other.pet_suv.array_zyx.tobytes()


@pytest.mark.parametrize("tracer", Tracer)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_truth_is_the_sum_of_its_lesions(tracer, seed):
    one = phantom(tracer, seed, 8)
    assert len(one.lesions) == 8
    assert one.truth.array_zyx.sum() == sum(lesion.n_voxels for lesion in one.lesions)
    assert one.truth.array_zyx.sum() * COARSE.voxel_ml == pytest.approx(sum(i.volume_ml for i in one.lesions))
    assert parts_of(one).max() == 8


@pytest.mark.parametrize("tracer", Tracer)
def test_every_lesion_reads_as_it_says(tracer):
    one = phantom(tracer, 2, 8)
    parts = parts_of(one)
    seen = set()
    for lesion in one.lesions:
        centres = [np.argwhere(parts == k).mean(axis=0)[::-1] for k in range(1, 9)]
        (own,) = [k for k, centre in enumerate(centres, 1) if centre == pytest.approx(lesion.centre_xyz)]
        values = one.pet_suv.array_zyx[parts == own]
        assert (values.size, values.max()) == (lesion.n_voxels, np.float32(lesion.suv_max))
        assert values.mean(dtype=np.float64) == pytest.approx(lesion.suv_mean)
        assert COARSE.index_of(lesion.centre_mm) == pytest.approx(lesion.centre_xyz)
        seen.add(own)
    assert len(seen) == 8


@pytest.mark.parametrize("tracer", Tracer)
def test_air_is_empty(tracer):
    one = phantom(tracer, 0, 0)
    corner = (slice(None), slice(None, 4), slice(None, 4))
    assert one.ct_hu.array_zyx[corner].max() < -900
    assert one.pet_suv.array_zyx[corner].max() < 0.1


@pytest.mark.parametrize("organ", [Organ.LIVER, Organ.SPLEEN, Organ.BRAIN, Organ.MUSCLE])
@pytest.mark.parametrize("tracer", Tracer)
def test_organs_take_up_what_the_table_says(tracer, organ):
    low, *_, high = parameters()["uptake_suv"][tracer][organ.name]["percentiles"]
    for seed in range(3):
        one = phantom(tracer, seed, 0)
        median = np.median(one.pet_suv.array_zyx[one.organs.array_zyx == organ])
        assert 0.8 * low < median < 1.2 * high


@pytest.mark.parametrize("seed", range(4))
def test_the_tracers_differ_in_a_projection(seed):
    """FDG shows the brain; PSMA shows glands and kidneys instead."""
    for tracer, hot, cold in [(Tracer.FDG, Organ.BRAIN, Organ.PAROTID), (Tracer.PSMA, Organ.KIDNEY, Organ.BRAIN)]:
        one = phantom(tracer, seed, 0, Grid((80, 66, 120), (6.0, 6.0, 8.0)))
        medians = [np.median(one.pet_suv.array_zyx[one.organs.array_zyx == organ]) for organ in (hot, cold)]
        assert medians[0] > 2 * medians[1]


def test_whatever_does_not_fit_is_left_out():
    few = make_phantom(Tracer.FDG, np.random.default_rng(0), grid=HEAD_ONLY, n_lesions=15)
    assert len(few.lesions) <= 15
    assert few.truth.array_zyx.sum() == sum(lesion.n_voxels for lesion in few.lesions)


def test_a_turned_grid_sees_the_same_kind_of_patient():
    turned = Grid((80, 66, 120), (6.0, 6.0, 8.0), (240.0, 200.0, -960.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    plain, mirrored = phantom(Tracer.FDG, 3, 0), phantom(Tracer.FDG, 3, 0, turned)
    left, right = (np.argwhere(p.organs.array_zyx == Organ.SPLEEN).mean(axis=0)[2] for p in (plain, mirrored))
    assert left > 40 > right


def test_the_default_grids_are_those_of_the_challenge():
    fdg, psma = (default_grid(tracer) for tracer in Tracer)
    assert (fdg.size_xyz, fdg.spacing_mm) == ((400, 400, 326), (2.0364, 2.0364, 3.0))
    assert psma.size_xyz[:2] == (200, 200)
    assert fdg.direction == psma.direction == STUDY_DIRECTION
