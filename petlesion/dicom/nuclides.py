# SPDX-License-Identifier: Apache-2.0
"""Radionuclides of PET and their half-lives, for headers that name the one without the other.

Half-lives: F-18 and Ga-68 as the IBSI manual of SUV computation has them, the others from ENSDF. Codes: DICOM's
context group 4020, in SNOMED CT and in the former SRT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Nuclide:
    """A radionuclide: its name, half-life in seconds, and codes."""

    name: str
    half_life_s: float
    codes: frozenset[str]


NUCLIDES = (
    Nuclide("F-18", 6586.2, frozenset({"77004003", "C-111A1"})),
    Nuclide("Ga-68", 4057.7, frozenset({"35337001", "C-131A3"})),
    Nuclide("C-11", 1221.8, frozenset({"40565003", "C-105A1"})),
    Nuclide("Cu-64", 45723.0, frozenset({"3932008", "C-127A2"})),
    Nuclide("Zr-89", 282276.0, frozenset({"63360001", "C-168A4"})),
    Nuclide("I-124", 360806.0, frozenset({"40937006", "C-114A5"})),
)
ELEMENTS = {"F": "fluorine", "Ga": "gallium", "C": "carbon", "Cu": "copper", "Zr": "zirconium", "I": "iodine"}


def nuclide_of(code: str, meaning: str) -> Nuclide | None:
    """The radionuclide of a code or, where that is unknown, of its meaning: "^18^Fluorine", "18F", "F-18".

    None where it is none of the table.
    """
    for nuclide in NUCLIDES:
        if code.strip() in nuclide.codes:
            return nuclide
    letters = re.findall(r"[a-z]+|\d+", meaning.lower())
    for nuclide in NUCLIDES:
        element, mass = nuclide.name.split("-")
        if mass in letters and (element.lower() in letters or ELEMENTS[element] in letters):
            return nuclide
    return None
