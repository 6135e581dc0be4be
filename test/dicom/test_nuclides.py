# SPDX-License-Identifier: Apache-2.0
import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from petlesion.dicom.nuclides import ELEMENTS, NUCLIDES, nuclide_of

IDS = [nuclide.name for nuclide in NUCLIDES]


@pytest.mark.parametrize("nuclide", NUCLIDES, ids=IDS)
def test_codes_are_those_of_the_standards_context_group(nuclide):
    element, mass = nuclide.name.split("-")
    [name] = [n for n in cid_concepts[4020]["SCT"] if n.lower() == f"_{mass}{ELEMENTS[element]}"]
    [snomed] = concepts["SCT"][name]
    assert nuclide.codes == {snomed, mapping["SCT"][snomed]}


@pytest.mark.parametrize("nuclide", NUCLIDES, ids=IDS)
def test_meanings_are_read_where_a_code_is_foreign(nuclide):
    element, mass = nuclide.name.split("-")
    for meaning in (f"{mass}{element}", nuclide.name, f"^{mass}^{ELEMENTS[element].title()}"):
        assert nuclide_of("X-1", meaning) is nuclide


def test_others_are_none():
    assert nuclide_of("", "") is None
    assert nuclide_of("", "^82^Rubidium") is None
