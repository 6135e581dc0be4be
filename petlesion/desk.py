# SPDX-License-Identifier: Apache-2.0
"""Where a case comes from and its mask goes: the platform's sockets, or files that a user names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from petlesion.challenge import MASK_SLUG, check_output, read_case, read_files, read_pet, write_result
from petlesion.clicks import Clicks
from petlesion.images import SUFFIXES, OutputError, image_stem, image_suffix, shown, write_mask
from petlesion.report_file import write_report
from petlesion.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.case import Admission, PetCtCase
    from petlesion.read_options import ReadOptions

LastResort = tuple[str, Volume, Clicks, tuple[str, ...]]  # name, PET in SUV, clicks on it, warnings


class Desk(Protocol):
    """Reads one case and takes its mask and report."""

    def check(self) -> tuple[str, ...]:
        """Make sure, before any work, that the result can be written; warnings. OutputError where it cannot."""

    def read(self, options: ReadOptions) -> Admission:
        """The admitted case; CaseError where it cannot be."""

    def read_pet(self, options: ReadOptions) -> LastResort | None:
        """What a mask of last resort needs; None where none is written here."""

    def write(self, mask: Volume, name: str, report: dict[str, Any], case: PetCtCase | None = None) -> Path:
        """Write mask and report; the mask's path. OutputError where that fails.

        `case` is for the pictures of a report that has some; None where it could not be read.
        """


@dataclass(frozen=True, slots=True)
class SocketDesk:
    """The folders of the platform; with `page`, lesions.csv and report.html are written beside report.json."""

    input_dir: Path
    output_dir: Path
    slug: str = MASK_SLUG
    page: bool = False

    def check(self) -> tuple[str, ...]:
        """See `Desk`."""
        return check_output(self.output_dir, self.slug)

    def read(self, options: ReadOptions) -> Admission:
        """See `Desk`."""
        return read_case(self.input_dir, options)

    def read_pet(self, options: ReadOptions) -> LastResort | None:
        """See `Desk`."""
        return read_pet(self.input_dir, options)

    def write(self, mask: Volume, name: str, report: dict[str, Any], case: PetCtCase | None = None) -> Path:
        """See `Desk`."""
        path = write_result(mask, name, report, self.output_dir, self.slug)
        if self.page:
            _write_pages(self.output_dir, report, mask, case)
        return path


@dataclass(frozen=True, slots=True)
class FileDesk:
    """Files that a user names; `clicks`, `report` and `folder`, that of all reports, may be left out."""

    ct: Path
    pet: Path
    clicks: Path | None
    mask: Path
    report: Path | None
    folder: Path | None = None

    def check(self) -> tuple[str, ...]:
        """See `Desk`."""
        if image_suffix(self.mask) is None or self.mask.is_dir():
            raise OutputError(f"a mask is a file with one of {', '.join(SUFFIXES)}; got {shown(self.mask)}")
        folders = [path.absolute().parent for path in (self.mask, self.report) if path]
        for folder in [*folders, *([_first_there(self.folder.absolute())] if self.folder else [])]:
            if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
                raise OutputError(f"results go into a writable folder; {shown(folder)} is none for uid {os.getuid()}")
        return ()

    def read(self, options: ReadOptions) -> Admission:
        """See `Desk`."""
        return read_files(self.ct, self.pet, self.clicks, options)

    def read_pet(self, options: ReadOptions) -> LastResort | None:  # noqa: ARG002 - the protocol's
        """See `Desk`: a person who is there mends the case instead."""
        return None

    def write(
        self,
        mask: Volume,
        name: str,  # noqa: ARG002 - the protocol's
        report: dict[str, Any],
        case: PetCtCase | None = None,
    ) -> Path:
        """See `Desk`."""
        write_mask(mask, self.mask)
        if self.report is not None:
            write_report(report, self.report)
        if self.folder is not None:
            write_report(report, self.folder / "report.json")
            _write_pages(self.folder, report, mask, case)
        return self.mask


@dataclass(frozen=True, slots=True)
class DicomDesk:
    """A DICOM study's folder, and where its mask goes; `clicks`, `report` and `folder` may be left out."""

    study: Path
    clicks: Path | None
    mask: Path
    report: Path | None
    folder: Path | None = None

    def check(self) -> tuple[str, ...]:
        """See `Desk`."""
        return self._files.check()

    def read(self, options: ReadOptions) -> Admission:
        """See `Desk`. The case is named as its mask: the study's own names are its patient's."""
        from petlesion.dicom.cases import read_dicom_study  # noqa: PLC0415 - other cases do without pydicom

        return read_dicom_study(self.study, image_stem(self.mask), self.clicks, options)

    def read_pet(self, options: ReadOptions) -> LastResort | None:
        """See `Desk`: a person who is there mends the case instead."""
        return self._files.read_pet(options)

    def write(self, mask: Volume, name: str, report: dict[str, Any], case: PetCtCase | None = None) -> Path:
        """See `Desk`."""
        return self._files.write(mask, name, report, case)

    @property
    def _files(self) -> FileDesk:
        return FileDesk(self.study, self.study, self.clicks, self.mask, self.report, self.folder)


def _first_there(folder: Path) -> Path:
    """The folder, or the first above it that is there: it will be made in that one."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def _write_pages(folder: Path, report: dict[str, Any], mask: Volume, case: PetCtCase | None) -> None:
    from petlesion.page.drawings import draw  # noqa: PLC0415 - what only a page is to pay
    from petlesion.page.folder import write_pages  # noqa: PLC0415

    write_pages(folder, report, draw(case.pet_suv, case.ct_hu, mask) if case else None)
