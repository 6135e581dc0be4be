# SPDX-License-Identifier: Apache-2.0
"""Where a review's case comes from: files, the platform's sockets, or DICOM, to which objects can refer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.challenge import read_case, read_files
from petlesion.sockets import find_files

if TYPE_CHECKING:
    from petlesion.case import Admission
    from petlesion.dicom_out.series import SourceSeries
    from petlesion.read_options import ReadOptions


@dataclass(frozen=True, slots=True)
class Source:
    """A case: either `case`, a folder of sockets, or `study`, one of DICOM, or the files `ct` and `pet`.

    Attributes:
        case: Folder in the platform's form.
        study: Folder of a DICOM study.
        ct: CT in HU.
        pet: PET in SUV.
        clicks: File of clicks; None are those of `case`, or none.
    """

    case: Path | None = None
    study: Path | None = None
    ct: Path | None = None
    pet: Path | None = None
    clicks: Path | None = None

    def read(self, name: str, options: ReadOptions) -> Admission:
        """The admitted case; a study's is called `name`, since its own names are its patient's.

        Raises:
            CaseError: When the case cannot be segmented as it is.
        """
        if self.study is not None:
            from petlesion.dicom.cases import read_dicom_study  # noqa: PLC0415 - other cases do without pydicom

            return read_dicom_study(self.study, name, self.clicks, options)
        if self.case is not None:
            return read_case(self.case, options)
        if self.ct is None or self.pet is None:
            raise ValueError("a source is a case, a study, or a CT and a PET")
        return read_files(self.ct, self.pet, self.clicks, options)

    def series(self, uid: str) -> SourceSeries:
        """The slices of the PET series that the case was read from.

        Raises:
            SeriesError: When it is of a kind that objects cannot refer to.
        """
        from petlesion.dicom_out.series import SourceSeries  # noqa: PLC0415 - other cases do without pydicom

        folder = find_files(self.case).pet_dir if self.case is not None else self.study
        return SourceSeries.below(folder or Path(), uid)
