# SPDX-License-Identifier: Apache-2.0
"""A case: one patient's CT and PET on one grid, with clicks; and the rules that admit it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from petlesion.clicks import Clicks
from petlesion.volume import Grid, Volume


class Tracer(StrEnum):
    """What the patient was injected with."""

    FDG = "FDG"
    PSMA = "PSMA"


class CaseError(ValueError):
    """A case that cannot be segmented as it is. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class PetCtCase:
    """One admitted case. Make it with `admit`, which checks and repairs; the constructor only checks.

    Attributes:
        name: Stem of the CT file; names the mask.
        ct_hu: CT in Hounsfield units, float32, (Z, Y, X), on the PET's grid.
        pet_suv: PET in SUV (body weight), float32, (Z, Y, X).
        clicks: Clicks on the PET's grid.

    Raises:
        CaseError: When CT and PET do not share one grid, or a click lies outside it.
    """

    name: str
    ct_hu: Volume
    pet_suv: Volume
    clicks: Clicks = Clicks()

    def __post_init__(self) -> None:
        if not self.ct_hu.grid.same_as(self.pet_suv.grid):
            raise CaseError("CT and PET must share one grid; resample the CT to the PET first, as `admit` does")
        if self.clicks.within(self.grid) != self.clicks:
            raise CaseError("every click must lie inside the PET; drop the others first, as `admit` does")

    @property
    def grid(self) -> Grid:
        """The PET's grid, which is the grid of the mask."""
        return self.pet_suv.grid
