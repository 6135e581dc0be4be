# SPDX-License-Identifier: Apache-2.0
"""The container's sample of faults: made, run here, and checked as the container's runs are."""

from __future__ import annotations

from pathlib import Path

import pytest

from test.container.faults import SIZE, check, make, sample
from test.faults.place import Place


@pytest.fixture
def cases(tmp_path):
    make(tmp_path)
    return sorted(tmp_path.iterdir())


def test_the_sample_is_of_all_kinds(cases):
    assert len(cases) == SIZE == len({str(fault) for fault in sample()})
    assert {fault.status for fault in sample()} == {0, 3}
    assert all((case / "options").exists() for case in cases)


def test_a_run_that_ends_otherwise_is_noticed(cases):
    number, fault = next((number, fault) for number, fault in enumerate(sample()) if fault.status == 3)
    case = cases[number]
    (case / "log").write_text("petlesion: something else\n")
    assert "exit status must be 3" in check(case, 0)
    assert "must be said" in check(case, 3)
    (case / "log").write_text("Traceback (most recent call last):\n")
    assert "must be said" in check(case, 3)
    good, sound = next(
        (number, fault) for number, fault in enumerate(sample()) if fault.status == 0 and "ml" in fault.says
    )
    (cases[good] / "log").write_text("0 lesions, 0.0 ml in all: mask\n")
    assert "one mask and its report" in check(cases[good], 0)
    assert Place(case, Path()).files() == {}
    assert fault.status != sound.status
