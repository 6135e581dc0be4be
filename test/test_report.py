# SPDX-License-Identifier: Apache-2.0
"""The report as JSON: every figure under a key that says its unit."""

from __future__ import annotations

import json
import math

import pytest

from petlesion.case import PetCtCase
from petlesion.limits import Limits
from petlesion.pipeline import segment
from petlesion.report import fallback_report, report_of, versions


@pytest.fixture(scope="module")
def result(toy_case, toy_store):
    case = PetCtCase("toy", toy_case.phantom.ct_hu, toy_case.phantom.pet_suv, toy_case.clicks)
    return segment(case, toy_store, Limits(depth=1, folds=(0,)))


@pytest.fixture(scope="module")
def report(result):
    return report_of(result, case_name="toy", recipe_name="mesbah", warnings=("one", "two"))


def test_it_is_plain_json(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_it_holds_what_the_platform_section_promises(report):
    assert set(report) == {
        "case",
        "notice",
        "recipe",
        "complete",
        "stopped",
        "fallback",
        "tracer",
        "stages",
        "seconds",
        "warnings",
        "lesions",
        "n_lesions",
        "tmtv_ml",
        "tlg",
        "dmax_mm",
        "versions",
    }
    assert report["warnings"] == ["one", "two"]


def test_lesions_are_the_masks_components(report, result):
    assert [one["n_voxels"] for one in report["lesions"]] == [one.n_voxels for one in result.lesions]
    assert set(report["lesions"][0]) == {
        "number",
        "n_voxels",
        "volume_ml",
        "suv_max",
        "suv_mean",
        "suv_peak",
        "tlg",
        "longest_diameter_mm",
        "centroid_xyz",
        "centroid_mm",
    }


def test_totals_are_sums_over_the_lesions(report):
    assert report["tmtv_ml"] == pytest.approx(sum(one["volume_ml"] for one in report["lesions"]), abs=1e-4)
    assert report["tlg"] == pytest.approx(sum(one["tlg"] for one in report["lesions"]), abs=1e-3)
    assert report["n_lesions"] == len(report["lesions"])


def test_dmax_is_the_largest_distance_between_centroids(report):
    centroids = [one["centroid_mm"] for one in report["lesions"]]
    farthest = max(math.dist(a, b) for a in centroids for b in centroids)
    assert report["dmax_mm"] == (pytest.approx(farthest, abs=1e-2) if len(centroids) > 1 else None)


def test_only_the_folds_that_ran_are_named(report):
    assert [fold["fold"] for fold in report["stages"][0]["model"]["weights"]] == [0]


def test_a_fallback_says_why_and_how():
    report = fallback_report(case_name="c", recipe_name="mesbah", reason="no time", how="empty mask", warnings=())
    assert (report["complete"], report["stopped"], report["fallback"]) == (False, "no time", "empty mask")


def test_a_package_that_is_not_installed_is_said_so(monkeypatch):
    monkeypatch.setattr("petlesion.report.DISTRIBUTIONS", ("torch", "no-such-package"))
    found = versions()
    assert found["torch"].startswith("2.")
    assert found["no-such-package"] == "not installed as a package"
