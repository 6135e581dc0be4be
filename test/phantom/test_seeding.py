# SPDX-License-Identifier: Apache-2.0
"""Lesions have the wished volume, one piece, room around them, and the wished maximum after the blur."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.case import Tracer
from petlesion.phantom.organs import Organ
from petlesion.phantom.scanner import FWHM_PER_SIGMA, blur
from petlesion.phantom.seeding import SMALLEST_ML, Field3, draw_count, sow
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
    assert 0.08 < np.mean(np.array(counts) == 0) < 0.3
