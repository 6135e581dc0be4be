# SPDX-License-Identifier: Apache-2.0
"""Where a case comes from and its mask goes: the platform's sockets, or files that a user names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from petlesion.challenge import (
    MASK_SLUG,
    ReadOptions,
    check_output,
    read_case,
    read_files,
    read_pet,
    write_report,
    write_result,
)
from petlesion.clicks import Clicks
from petlesion.images import SUFFIXES, OutputError, image_stem, image_suffix, shown, write_mask
from petlesion.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.case import Admission

LastResort = tuple[str, Volume, Clicks, tuple[str, ...]]  # name, PET in SUV, clicks on it, warnings


class Desk(Protocol):
    """Reads one case and takes its mask and report."""

    def check(self) -> tuple[str, ...]:
        """Make sure, before any work, that the result can be written; warnings. OutputError where it cannot."""

    def read(self, options: ReadOptions) -> Admission:
        """The admitted case; CaseError where it cannot be."""

    def read_pet(self, options: ReadOptions) -> LastResort | None:
        """What a mask of last resort needs; None where none is written here."""

    def write(self, mask: Volume, name: str, report: dict[str, Any]) -> Path:
        """Write mask and report; the mask's path. OutputError where that fails."""


@dataclass(frozen=True, slots=True)
class SocketDesk:
    """The folders of the platform."""

    input_dir: Path
    output_dir: Path
    slug: str = MASK_SLUG

    def check(self) -> tuple[str, ...]:
        """See `Desk`."""
        return check_output(self.output_dir, self.slug)

    def read(self, options: ReadOptions) -> Admission:
        """See `Desk`."""
        return read_case(self.input_dir, options)

    def read_pet(self, options: ReadOptions) -> LastResort | None:
        """See `Desk`."""
        return read_pet(self.input_dir, options)

    def write(self, mask: Volume, name: str, report: dict[str, Any]) -> Path:
        """See `Desk`."""
        return write_result(mask, name, report, self.output_dir, self.slug)


@dataclass(frozen=True, slots=True)
class FileDesk:
    """Files that a user names; `clicks` and `report` may be left out."""

    ct: Path
    pet: Path
    clicks: Path | None
    mask: Path
    report: Path | None

    def check(self) -> tuple[str, ...]:
        """See `Desk`."""
        if image_suffix(self.mask) is None or self.mask.is_dir():
            raise OutputError(f"a mask is a file with one of {', '.join(SUFFIXES)}; got {shown(self.mask)}")
        for path in (self.mask, self.report):
            folder = (path or self.mask).absolute().parent
            if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
                raise OutputError(f"results go into a writable folder; {shown(folder)} is none for uid {os.getuid()}")
        return ()

    def read(self, options: ReadOptions) -> Admission:
        """See `Desk`."""
        return read_files(self.ct, self.pet, self.clicks, options)

    def read_pet(self, options: ReadOptions) -> LastResort | None:  # noqa: ARG002 - the protocol's
        """See `Desk`: a person who is there mends the case instead."""
        return None

    def write(self, mask: Volume, name: str, report: dict[str, Any]) -> Path:  # noqa: ARG002 - the protocol's
        """See `Desk`."""
        write_mask(mask, self.mask)
        if self.report is not None:
            write_report(report, self.report)
        return self.mask


@dataclass(frozen=True, slots=True)
class DicomDesk:
    """A DICOM study's folder, and where its mask goes; `clicks` and `report` may be left out."""

    study: Path
    clicks: Path | None
    mask: Path
    report: Path | None

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

    def write(self, mask: Volume, name: str, report: dict[str, Any]) -> Path:
        """See `Desk`."""
        return self._files.write(mask, name, report)

    @property
    def _files(self) -> FileDesk:
        return FileDesk(self.study, self.study, self.clicks, self.mask, self.report)
