# SPDX-License-Identifier: Apache-2.0
"""Uptake is drawn from percentiles; every organ has its entry and every entry its source."""

from __future__ import annotations

import numpy as np
import pytest

from petlesion.case import Tracer
from petlesion.phantom.organs import Organ
from petlesion.phantom.uptake import density_hu, draw_uptake, normal_level, parameters, quantile, texture

POINTS = (1.0, 2.0, 4.0, 8.0, 16.0)


@pytest.mark.parametrize(("level", "value"), [(0.05, 1), (0.25, 2), (0.5, 4), (0.75, 8), (0.95, 16), (0.625, 2**2.5)])
def test_quantiles_are_linear_in_the_logarithm(level, value):
    assert quantile(POINTS, level) == pytest.approx(value)


def test_beyond_the_outer_points_only_where_asked():
    assert quantile(POINTS, 0.001) == pytest.approx(1)
    assert quantile(POINTS, 0.999) == pytest.approx(16)
    assert quantile(POINTS, 0.001, tails=True) < 1
    assert quantile(POINTS, 0.999, tails=True) > 16
    levels = np.linspace(0.001, 0.999, 200)
    assert (np.diff([quantile(POINTS, level, tails=True) for level in levels]) > 0).all()


def test_normal_levels():
    assert normal_level(0) == 0.5
    assert normal_level(1.6449) == pytest.approx(0.95, abs=1e-4)


@pytest.mark.parametrize("tracer", Tracer)
def test_every_organ_has_percentiles_and_a_source(tracer):
    table = parameters()["uptake_suv"][tracer]
    assert set(table) == {organ.name for organ in Organ}
    for entry in table.values():
        assert entry["source"]
        assert entry["percentiles"] == sorted(entry["percentiles"])


@pytest.mark.parametrize("tracer", Tracer)
def test_drawn_uptake_keeps_to_the_percentiles(tracer):
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_uptake(tracer, rng) for _ in range(400)])
    for organ in Organ:
        low, _, middle, _, high = parameters()["uptake_suv"][tracer][organ.name]["percentiles"]
        assert low - 1e-4 <= drawn[:, organ].min()
        assert drawn[:, organ].max() <= high + 1e-4
        assert np.median(drawn[:, organ]) == pytest.approx(middle, rel=0.25, abs=1e-6)


def test_tables_are_as_long_as_the_list_of_organs():
    mean_hu, spread_hu = density_hu()
    assert mean_hu.shape == spread_hu.shape == texture().shape == (len(Organ),)
    assert mean_hu[Organ.AIR] < -900 < mean_hu[Organ.LUNG] < mean_hu[Organ.FAT] < 0 < mean_hu[Organ.BONE]


def test_the_tracers_differ_where_a_projection_shows_it():
    fdg, psma = (parameters()["uptake_suv"][tracer] for tracer in Tracer)
    assert fdg["BRAIN"]["percentiles"][0] > 10 * psma["BRAIN"]["percentiles"][-1]
    assert psma["PAROTID"]["percentiles"][0] > fdg["PAROTID"]["percentiles"][-1]
