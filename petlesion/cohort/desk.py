# SPDX-License-Identifier: Apache-2.0
"""A cohort's case as `entry.answer` meets it: read from wherever it lies, written into one folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from petlesion.challenge import read_case, read_files
from petlesion.cohort.record import Record, Thumbnail, row_of
from petlesion.cohort.shelf import MASK
from petlesion.images import write_mask
from petlesion.page.drawings import draw
from petlesion.page.folder import write_folder
from petlesion.page.shades import Picture, png_address, resized

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.case import Admission, PetCtCase
    from petlesion.cohort.cases import CohortCase
    from petlesion.desk import LastResort
    from petlesion.outcome import Ending
    from petlesion.read_options import ReadOptions
    from petlesion.volume import Volume

HIGHEST = 260  # pixels of a thumbnail
COLOURS = 64  # of one that was made smaller; with more the page of a large cohort would be too large to send


@dataclass(slots=True)
class CohortDesk:
    """One case and its folder, which is there.

    Attributes:
        case: Where it lies.
        folder: Where mask and reports go.
        row: The case's row in the cohort's table, once it was written.
        thumbnail: Its picture, likewise.
    """

    case: CohortCase
    folder: Path
    row: dict[str, Any] | None = None
    thumbnail: Thumbnail | None = None

    def check(self) -> tuple[str, ...]:
        """See `desk.Desk`: the folder was made for this case."""
        return ()

    def read(self, options: ReadOptions) -> Admission:
        """See `desk.Desk`. The case has the cohort's name for it, not that of a file."""
        admission = self._read(options)
        return replace(admission, case=replace(admission.case, name=self.case.name))

    def read_pet(self, options: ReadOptions) -> LastResort | None:  # noqa: ARG002 - the protocol's
        """See `desk.Desk`: a case that fails is a row of failures."""
        return None

    def write(self, mask: Volume, name: str, report: dict[str, Any], case: PetCtCase | None = None) -> Path:
        """See `desk.Desk`."""
        path = self.folder / MASK
        write_mask(mask, path)
        drawings = draw(case.pet_suv, case.ct_hu, mask) if case else None
        write_folder(self.folder, report, drawings)
        self.thumbnail = thumbnail_of(drawings.frames[0]) if drawings else None
        self.row = row_of(name, report)
        return path

    def record(self, fingerprint: str, ending: Ending) -> Record:
        """What is kept of the case."""
        return Record(self.case.name, fingerprint, ending.status, ending.sentence, self.row or {}, self.thumbnail)

    def _read(self, options: ReadOptions) -> Admission:
        if self.case.sockets is not None:
            return read_case(self.case.sockets, options)
        if self.case.dicom is not None:
            from petlesion.dicom.cases import read_dicom_study  # noqa: PLC0415 - other cases do without pydicom

            return read_dicom_study(self.case.dicom, self.case.name, self.case.clicks, options)
        if self.case.ct is None or self.case.pet is None:
            raise ValueError(f"{self.case.name} has no CT or no PET")
        return read_files(self.case.ct, self.case.pet, self.case.clicks, options)


def thumbnail_of(front: Picture) -> Thumbnail:
    """The view from the front, with the mask in red, small enough for a page of hundreds."""
    if front.height > HIGHEST:
        width = max(1, round(front.width * HIGHEST / front.height))
        front = resized(front.convert("RGB"), width, HIGHEST).quantize(COLOURS)
    return Thumbnail(png_address(front), front.width, front.height)
