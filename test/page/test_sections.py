# SPDX-License-Identifier: Apache-2.0
"""The page's words: of a run with its plan, of one that was cut short, of the tracer's votes."""

from __future__ import annotations

import pytest

from petlesion.page import sections
from petlesion.report import mask_report

STAGE = {
    "model": {
        "name": "mesbah/fdg",
        "synthetic": True,
        "training_data": "phantoms",
        "licence": "Apache-2.0",
        "weights": [{"fold": 0, "file": "fdg_0.safetensors", "sha256": "0123456789abcdef"}],
    },
    "plan": {"folds": [0], "flips": [[], [2]], "tile_step": 0.5, "reason": "a small body"},
    "sweeps_planned": 2,
    "sweeps_done": [{"fold": 0, "flip": []}],
}


def report(**changes):
    tracer = {"name": "FDG", "given": False, "votes": ["FDG", "FDG", "PSMA"]}
    return mask_report((), case_name="c") | {"recipe": "mesbah", "tracer": tracer, "stages": [STAGE]} | changes


def text(element):
    return " ".join("".join(element.itertext()).split())


def test_the_header_names_the_case_the_tracer_and_how():
    words = text(sections.header(report()))
    assert "FDG (2 of 3 votes)" in words
    assert "recipe mesbah" in words
    assert "For research use only" in words


@pytest.mark.parametrize(
    ("tracer", "words"),
    [
        (None, "not asked for"),
        ({"name": None, "given": False, "votes": []}, "not asked for"),
        ({"name": "PSMA", "given": True, "votes": []}, "PSMA (given)"),
    ],
)
def test_a_tracer_that_was_given_or_not_asked_for_is_said_so(tracer, words):
    assert words in text(sections.header(report(tracer=tracer)))


def test_synthetic_weights_are_a_warning_on_every_page():
    (section,) = sections.warnings(report())
    assert "synthetic data, not for clinical questions: mesbah/fdg" in text(section)


def test_without_anything_to_warn_of_there_is_no_section():
    assert sections.warnings(report(stages=[])) == []


def test_a_run_that_was_cut_short_is_a_warning_and_a_status():
    short = report(stopped="time", complete=False, stages=[])
    assert "Not all planned sweeps were finished (time)" in text(sections.warnings(short)[0])
    assert "incomplete" in text(sections.header(short))


def test_the_plan_and_its_reason_are_told():
    words = text(sections.origin(report()))
    assert "1 of 2: 1 fold, 2 flips, tile step 0.5" in words
    assert "a small body" in words
    assert "fdg_0.safetensors (0123456789ab)" in words


def test_totals_without_lesions_have_no_distance():
    words = text(sections.totals(report()))
    assert "TMTV0.0 ml" in words.replace(" TMTV ", "TMTV")
    assert "Dmax–" in words
