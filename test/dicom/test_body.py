# SPDX-License-Identifier: Apache-2.0
"""A woman of 69 kg and 157 cm: the real torso study, whose map object holds another tool's factors."""

import pytest

from petlesion.dicom.body import ideal_kg, lean_james_kg, lean_janmahasatian_kg, surface_m2
from petlesion.dicom.faults import DicomError


def test_hand_worked():
    assert ideal_kg(157, "F") == pytest.approx(45.5 + 0.91 * 5)
    assert ideal_kg(162, "M") == pytest.approx(48.0 + 10.6)
    assert lean_james_kg(80, 160, "M") == pytest.approx(88 - 128 / 4)
    assert lean_james_kg(80, 160, "F") == pytest.approx(85.6 - 148 / 4)
    assert lean_janmahasatian_kg(81, 180, "M") == pytest.approx(9270 * 81 / (6680 + 216 * 25))
    assert lean_janmahasatian_kg(81, 180, "F") == pytest.approx(9270 * 81 / (8780 + 244 * 25))


def test_surface_is_one_square_metre_of_a_unit_body():
    assert surface_m2(1, 1) == 0.007184
    assert surface_m2(70, 170) == pytest.approx(1.81, abs=0.005)  # the textbook's person


def test_another_sex_is_refused_with_its_tag():
    with pytest.raises(DicomError, match=r"Patient's Sex \(0010,0040\) must be M or F"):
        ideal_kg(170, "O")
