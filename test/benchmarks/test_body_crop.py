# SPDX-License-Identifier: Apache-2.0
"""The price of the body's box: which cases are drawn, and what counts as within it."""

from argparse import Namespace

from benchmarks.body_crop import means, names, within
from petlesion.case import Tracer

WHOLE = {"dice": 0.5, "fpv_ml": 10.0, "fnv_ml": 2.0, "tiles": 40, "cpu_s": 8.0}


def test_the_price_is_in_all_three_figures():
    assert within(WHOLE, WHOLE)
    assert within(WHOLE | {"dice": 0.496, "fpv_ml": 10.4, "fnv_ml": 2.08}, WHOLE)
    assert not within(WHOLE | {"dice": 0.49}, WHOLE)
    assert not within(WHOLE | {"fpv_ml": 10.6}, WHOLE)
    assert not within(WHOLE | {"fnv_ml": 2.2}, WHOLE)


def test_means_are_those_of_each_subset():
    cases = {
        "a": {"subset": "FDG", "box": WHOLE | {"dice": 0.4}, "whole": WHOLE},
        "b": {"subset": "FDG", "box": WHOLE | {"dice": 0.8}, "whole": WHOLE},
        "c": {"subset": "PSMA", "box": WHOLE | {"dice": 0.1}, "whole": WHOLE},
    }
    found = means(cases)
    assert found["FDG"]["n"] == 2
    assert found["FDG"]["box"]["dice"] == 0.6  # (0.4 + 0.8) / 2
    assert found["FDG"]["within_its_price"]
    assert not found["PSMA"]["within_its_price"]


def test_cases_are_drawn_for_the_tracers_that_are_asked_for():
    asked = Namespace(n=2, tracers=[Tracer.PSMA], maps=False, data=None)
    assert list(names(asked)) == [("PSMA-0", "PSMA"), ("PSMA-1", "PSMA")]
    asked.maps = True
    assert list(names(asked)) == [("PSMA-maps-0", "PSMA-maps"), ("PSMA-maps-1", "PSMA-maps")]
    asked.tracers = list(Tracer)
    assert [subset for _, subset in names(asked)] == ["FDG-maps", "PSMA-maps"] * 2
