# SPDX-License-Identifier: Apache-2.0
"""Lesions have the wished volume, one piece, room around them, and the wished maximum after the blur."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.case import Tracer
from petlesion.phantom.organs import Organ
from petlesion.phantom.scanner import FWHM_PER_SIGMA, blur
from petlesion.phantom.seeding import SMALLEST_ML, Field3, Site, _centre, draw_count, sow
from petlesion.volume import Grid

GRID = Grid((60, 60, 60), (3.0, 3.0, 3.0))


def patient_of(organ, suv=1.0):
    shape = GRID.shape_zyx
    return Field3(GRID, np.full(shape, organ, np.uint8), np.full(shape, suv, np.float32), np.zeros(shape, np.uint8))


def test_nobody_to_put_it_into():
    assert sow(Tracer.FDG, patient_of(Organ.AIR), 5, 6.0, np.random.default_rng(0)) == ()


def test_none_wished_none_sown():
    patient = patient_of(Organ.LIVER)
    assert sow(Tracer.FDG, patient, 0, 6.0, np.random.default_rng(0)) == ()
    assert (patient.activity_suv == 1).all()


@pytest.mark.parametrize("tracer", Tracer)
def test_lesions_lie_apart_and_are_written_everywhere(tracer):
    patient = patient_of(Organ.MARROW)
    seeds = sow(tracer, patient, 6, 6.0, np.random.default_rng(0))
    assert len(seeds) == 6
    count = np.zeros(GRID.shape_zyx, dtype=int)
    for seed in seeds:
        count[seed.box] += seed.mask
        assert np.count_nonzero(seed.mask) >= max(1, round(SMALLEST_ML / GRID.voxel_ml))
    assert count.max() == 1
    assert ((count == 1) == (patient.truth == 1)).all()
    assert (patient.activity_suv[count == 0] == 1).all()
    assert (patient.labels[count == 0] == Organ.MARROW).all()
    assert (patient.labels[count == 1] >= len(Organ)).all()


def test_the_maximum_after_the_blur_is_in_the_range_of_lesions():
    maxima = []
    for number in range(30):
        patient = patient_of(Organ.MARROW)
        (seed,) = sow(Tracer.PSMA, patient, 1, 6.0, np.random.default_rng(number))
        seen = blur(patient.activity_suv.copy(), GRID, 6.0 / FWHM_PER_SIGMA)
        maxima.append(seen[seed.box][seed.mask].max())
    assert 4 < np.median(maxima) < 14  # the median of the distribution is 7.9
    assert min(maxima) > 1.5


def test_counts_are_none_or_up_to_twenty():
    rng = np.random.default_rng(0)
    counts = [draw_count(tracer, rng) for tracer in Tracer for _ in range(200)]
    assert min(counts) == 0
    assert max(counts) == 20


@pytest.mark.parametrize(("tracer", "low", "high"), [(Tracer.FDG, 0.42, 0.58), (Tracer.PSMA, 0.04, 0.16)])
def test_half_of_the_fdg_studies_are_healthy_and_few_of_psma(tracer, low, high):
    rng = np.random.default_rng(0)
    assert low < np.mean([draw_count(tracer, rng) == 0 for _ in range(400)]) < high


def test_a_lesion_beside_a_hot_organ_does_not_lie_in_it():
    patient = patient_of(Organ.FAT)
    patient.labels[20:40, 20:40, 20:40] = Organ.BLADDER
    found = [_centre(patient, Site.BESIDE, 1.0, np.random.default_rng(n)) for n in range(60)]
    centres = np.array([one for one in found if one is not None])
    assert len(centres) > 10
    assert (patient.labels[tuple(centres.T)] == Organ.FAT).all()
    depth = np.maximum(np.maximum(20 - centres, centres - 39), 0)
    assert (np.linalg.norm(depth * 3.0, axis=1) < 30).all()


def test_known_sites_draw_half_of_the_lesions():
    places = []
    for number in range(40):
        patient = patient_of(Organ.MARROW)
        for k, host in enumerate((Organ.LUNG, Organ.LIVER, Organ.MUSCLE, Organ.COLON)):
            patient.labels[12 * k : 12 * k + 12] = host
        patient.sites_mm = ((90.0, 90.0, 90.0),)
        (seed,) = sow(Tracer.FDG, patient, 1, 6.0, np.random.default_rng(number))
        middle = np.argwhere(seed.mask).mean(axis=0) + [s.start for s in seed.box]
        places.append(np.linalg.norm(middle * 3.0 - 90.0))
    near = np.mean(np.array(places) < 20)
    assert 0.3 < near < 0.85


def test_a_known_site_outside_the_grid_is_passed_over():
    patient = patient_of(Organ.MARROW)
    patient.sites_mm = ((900.0, 90.0, 90.0),)
    assert len(sow(Tracer.FDG, patient, 3, 6.0, np.random.default_rng(0))) == 3
