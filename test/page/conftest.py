# SPDX-License-Identifier: Apache-2.0
"""A small case with three lesions, its pictures and its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from petlesion.lesions import Lesion, measure_lesions
from petlesion.page.drawings import Drawings, draw
from petlesion.report import mask_report


@dataclass(frozen=True)
class Reported:
    """What a page is made of."""

    lesions: tuple[Lesion, ...]
    report: dict[str, Any]
    drawings: Drawings


@pytest.fixture(scope="package")
def reported(toy_case) -> Reported:
    phantom = toy_case.phantom
    lesions = measure_lesions(phantom.truth, phantom.pet_suv)
    report = mask_report(lesions, case_name="toy", warnings=("a warning",))
    return Reported(lesions, report, draw(phantom.pet_suv, phantom.ct_hu, phantom.truth))
