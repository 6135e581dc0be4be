# SPDX-License-Identifier: Apache-2.0
"""Answers to clicks are those of whole runs, bit for bit, and cost what has changed."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pytest

from petlesion.case import Admission, PetCtCase
from petlesion.clicks import Clicks
from petlesion.inference.weights import ModelStore
from petlesion.options import add_run_options, run_options
from petlesion.pipeline import segment
from petlesion.review.engine import Engine
from petlesion.volume import Grid, Volume

TUMOR = (16, 16, 6), (15, 17, 8)  # near the foot of a column of five tiles


def options(*words):
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    words = ["--device", "cpu", "--depth", "1", "--no-body-crop", *words]
    return run_options(parser.parse_args(words), started_s=0.0)


@pytest.fixture(scope="module")
def admission(toy_case):
    """A column of 32 x 32 x 80 voxels out of the phantom, without clicks."""
    grid = Grid((32, 32, 80), (8.0, 8.0, 10.0))
    ct, pet = (
        Volume(np.ascontiguousarray(volume.array_zyx[:, 14:46, 14:46]), grid)
        for volume in (toy_case.phantom.ct_hu, toy_case.phantom.pet_suv)
    )
    return Admission(PetCtCase("a column", ct, pet), ("a doubt",))


def full_run(admission, toy_weights, clicks):
    """What `petlesion segment` makes of the same clicks, in a store of its own."""
    chosen = options("--folds", "0")
    case = replace(admission.case, clicks=clicks)
    return segment(case, ModelStore.open(toy_weights), replace(chosen.limits, started_s=None), chosen.recipe)


def test_each_answer_is_that_of_a_full_run_and_reuses_tiles(admission, toy_weights, toy_store):
    engine = Engine.of(admission, options("--folds", "0"), toy_store)
    assert (engine.tracer, engine.device, engine.reads_clicks) == (None, "cpu", True)
    counts, seen = [], []
    for clicks in (Clicks(), Clicks(TUMOR[:1]), Clicks(TUMOR), Clicks(TUMOR[:1])):
        answer, tiles = engine.answer(clicks, seen.append)
        expected = full_run(admission, toy_weights, clicks)
        assert answer.mask.unpacked().tobytes() == (expected.mask.array_zyx > 0).tobytes()
        assert answer.lesions == expected.lesions
        counts.append(tiles)
    # Tiles of 32 begin at 0, 17, 34, 51 and 68 of 100 voxels. A click reaches 12 voxels of the PET; what the spline
    # adds is too faint to be kept after a few more: up to 8 + 19 of 80, which are 34 of 100.
    assert counts == [(5, 0), (2, 3), (2, 3), (0, 5)]
    assert seen[-1].tile == seen[-1].tiles
    assert engine.tracer == "FDG"


def test_networks_are_loaded_and_the_tracer_called_once(admission, toy_store):
    engine = Engine.of(admission, options("--folds", "0"), toy_store)
    first, _ = engine.answer(Clicks(), lambda _: None)
    held = dict(engine.store.held)
    second, _ = engine.answer(Clicks(TUMOR[:1]), lambda _: None)
    assert engine.store.held == held
    assert "tracer" in first.report["seconds"]
    assert "tracer" not in second.report["seconds"]
    for report in (first.report, second.report):
        assert (report["tracer"]["name"], report["tracer"]["given"]) == ("FDG", False)
        assert report["tracer"]["votes"] == ["FDG", "FDG"]


def test_a_given_tracer_is_known_from_the_start(admission, toy_store):
    assert Engine.of(admission, options("--tracer", "PSMA"), toy_store).tracer == "PSMA"


def test_a_report_says_what_stopped_the_run(admission, toy_store):
    engine = Engine.of(admission, options("--folds", "0"), toy_store)
    answer, _ = engine.answer(Clicks(), lambda _: None)
    assert (answer.report["stopped"], answer.report["recipe"]) == ("", "mesbah")
    assert answer.report["n_lesions"] == len(answer.lesions)
    assert answer.report["warnings"] == ["a doubt"]
