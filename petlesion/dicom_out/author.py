# SPDX-License-Identifier: Apache-2.0
"""Who made an object, and the codes that say what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from highdicom import UID, AlgorithmIdentificationSequence
from highdicom.sr import AlgorithmIdentification
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from petlesion import __version__

NAME = "petlesion"
CATEGORY = codes.SCT.MorphologicallyAbnormalStructure
LESION = codes.SCT.Lesion
PET = Code("82918005", "SCT", "Positron emission tomography")


@dataclass(frozen=True, slots=True)
class Author:
    """How a mask came about.

    Attributes:
        recipe: The published system, "" where it is not known.
        guided: Whether a person had a part in it, by clicks or corrections.
    """

    recipe: str = ""
    guided: bool = False

    @property
    def algorithm_type(self) -> str:
        """The kind of algorithm in DICOM's words."""
        return "SEMIAUTOMATIC" if self.guided else "AUTOMATIC"

    def for_segments(self) -> AlgorithmIdentificationSequence:
        """The algorithm, for a segment."""
        parameters = {"recipe": self.recipe} if self.recipe else None
        return AlgorithmIdentificationSequence(
            NAME, codes.DCM.ArtificialIntelligence, __version__, source=NAME, parameters=parameters
        )

    def for_measurements(self) -> AlgorithmIdentification:
        """The algorithm, for a group of measurements."""
        parameters = [f"recipe={self.recipe}"] if self.recipe else None
        return AlgorithmIdentification(NAME, __version__, parameters)


@dataclass(frozen=True, slots=True)
class Tracked:
    """A lesion's name through all objects of an export."""

    number: int
    uid: UID

    @property
    def name(self) -> str:
        """What a reader sees."""
        return f"Lesion {self.number}"


def tracked(count: int) -> tuple[Tracked, ...]:
    """Names for so many lesions, with UIDs of their own."""
    return tuple(Tracked(number, UID()) for number in range(1, count + 1))
