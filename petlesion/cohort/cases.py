# SPDX-License-Identifier: Apache-2.0
"""A cohort's cases as they were found, and its failures: one row each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.case import CaseError
from petlesion.images import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BAD_INPUT = 3
LONGEST_NAME = 120
RESERVED = {"cohort.csv", "failures.csv", "index.html"}


class CohortError(CaseError):
    """A cohort that cannot be run at all. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class CohortCase:
    """Where a case lies: a folder of sockets, a DICOM study, or one file each for CT and PET.

    Attributes:
        name: The case's name, and that of its folder in the output.
        sockets: Folder with `images/ct`, `images/pet` and clicks, or an `inputs.json`.
        dicom: Folder of a DICOM study.
        ct: CT in HU.
        pet: PET in SUV.
        clicks: File of clicks; a folder of sockets holds its own.
    """

    name: str
    sockets: Path | None = None
    dicom: Path | None = None
    ct: Path | None = None
    pet: Path | None = None
    clicks: Path | None = None

    def __post_init__(self) -> None:
        sources = (self.sockets is not None, self.dicom is not None, self.ct is not None and self.pet is not None)
        if sum(sources) != 1 or (self.ct is None) != (self.pet is None):
            raise CohortError("a case is a folder of sockets, a DICOM study, or a CT with a PET; give one of the three")


@dataclass(frozen=True, slots=True)
class Failure:
    """A case without a mask.

    Attributes:
        case: Its name.
        status: The exit status that a process of its own would end with; see `outcome`.
        sentence: Why, in one line.
    """

    case: str
    status: int
    sentence: str

    @classmethod
    def of_input(cls, case: str, sentence: str) -> Failure:
        """A case that was found and cannot be used."""
        return cls(printable(case), BAD_INPUT, sentence)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, each by name: no name is there twice, nor in both."""

    cases: tuple[CohortCase, ...] = ()
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, found: Iterable[CohortCase | Failure]) -> Found:
        """Sort out what was found: names that cannot be used, or that came twice, become failures."""
        found = list(found)
        counts = Counter(one.name if isinstance(one, CohortCase) else one.case for one in found)
        cases = [one for one in found if isinstance(one, CohortCase) and counts[one.name] == 1 and is_name(one.name)]
        failures = {one.case: one for one in found if isinstance(one, Failure)}
        for name in {one.name for one in found if isinstance(one, CohortCase)} - {one.name for one in cases}:
            failures[printable(name)] = Failure.of_input(name, _fault_of(name, counts[name]))
        return cls(
            tuple(sorted(cases, key=lambda one: one.name)),
            tuple(sorted(failures.values(), key=lambda one: one.case)),
        )


def is_name(name: str) -> bool:
    """Whether a name can be a folder's, a page's link and a cell of a table that no spreadsheet takes for a formula."""
    return (
        bool(name)
        and name[0].isalnum()
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
        and len(name) <= LONGEST_NAME
        and not name.endswith((".", " "))
        and name.lower() not in RESERVED
    )


def _fault_of(name: str, count: int) -> str:
    if count > 1:
        return f"each case is there once; {count} are named {printable(name)}; rename all but one"
    return (
        f"a case's name begins with a letter or digit, has at most {LONGEST_NAME} printable characters and none of "
        f'/\\:*?"<>|; {printable(name)[:LONGEST_NAME]!r} is no such name; rename it, or name the case in a CSV'
    )
