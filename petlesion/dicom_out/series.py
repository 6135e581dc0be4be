# SPDX-License-Identifier: Apache-2.0
"""The PET series that DICOM objects refer to, and its slices' places in a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import PositronEmissionTomographyImageStorage
from pydicom.valuerep import DA, TM

from petlesion.case import CaseError
from petlesion.dicom.faults import named
from petlesion.dicom.headers import quiet_pydicom
from petlesion.images import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import DataElement

    from petlesion.volume import Grid, Volume

NEEDED = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "Rows", "Columns"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
)
# What objects copy and the standard lets be empty (type 2): de-identification often takes the whole attribute away.
MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
OFF_GRID = 0.25  # voxels by which a slice's corners may miss those of the mask: real slices are not quite equidistant

# What objects copy from their source and the standard wants to be there, empty where it is not known (type 2); some
# de-identification drops it altogether.
EMPTY_WHERE_UNKNOWN = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)


class SeriesError(CaseError):
    """A series that objects cannot refer to. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceSeries:
    """The slices of one PET series, by position; their pixels are not needed.

    Raises:
        SeriesError: When there is none, they are of several series, or one comes twice.
    """

    slices: tuple[Dataset, ...]

    def __post_init__(self) -> None:
        series = {str(one.SeriesInstanceUID) for one in self.slices}
        if len(series) != 1:
            found = f"{len(series)}: {', '.join(sorted(series))}" if series else "none"
            raise SeriesError(f"objects belong to one PET series; found {found}: name the folder of one series")
        places = {tuple(map(float, one.ImagePositionPatient)) for one in self.slices}
        if len(places) != len(self.slices):
            raise SeriesError(
                f"each slice of a series has its own place; {len(self.slices)} slices lie at {len(places)} places: "
                "remove the copies"
            )

    @classmethod
    def of(cls, datasets: Iterable[Dataset]) -> SourceSeries:
        """The PET slices among data sets, sorted along their normal; other objects are left aside.

        Raises:
            SeriesError: When a slice lacks what places it, or they are not one series.
        """
        slices = [one for one in datasets if one.get("SOPClassUID") == PositronEmissionTomographyImageStorage]
        for one in slices:
            if lacking := [named(keyword) for keyword in NEEDED if one.get(keyword) in (None, "")]:
                raise SeriesError(f"a slice of a PET series has {lacking[0]}; one lacks it: export the series again")
        return cls(tuple(sorted(slices, key=_height_mm)))

    def completed(self) -> SourceSeries:
        """The series as objects may copy from it: empty values where slices lack an attribute, and a true thickness.

        Objects give their voxels the thickness of the source's slices, and readers compute volumes of it. Slices may be
        thicker or thinner than they lie apart, so copies of them get the mean step.
        """
        return SourceSeries(tuple(_completed(one, self._step_mm()) for one in self.slices))

    def _step_mm(self) -> float:
        """The mean distance of neighbouring slices; that of the header where there is but one slice."""
        if len(self.slices) == 1:
            return float(self.slices[0].get("SliceThickness") or 1.0)
        return (_height_mm(self.slices[-1]) - _height_mm(self.slices[0])) / (len(self.slices) - 1)

    @classmethod
    @quiet_pydicom()
    def read(cls, folder: Path) -> SourceSeries:
        """The PET slices among the files of a folder.

        Raises:
            SeriesError: When the folder cannot be read, or does not hold one PET series.
        """
        try:
            files = sorted(path for path in folder.iterdir() if path.is_file())
        except OSError:
            raise SeriesError(f"a PET series lies in a folder; {shown(folder)} is none that can be read") from None
        return cls.of(one for path in files if (one := _header(path)) is not None)

    @classmethod
    def below(cls, folder: Path, uid: str) -> SourceSeries:
        """The slices of one series among all files below a folder.

        Args:
            folder: That of a study, nested as it may be.
            uid: Series Instance UID of its PET.

        Raises:
            SeriesError: When the PET series is not there, or is no series of single slices.
        """
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        headers = (one for path in files if (one := _header(path)) is not None)
        return cls.of(one for one in headers if str(one.get("SeriesInstanceUID", "")) == uid)

    def planes(self, mask: Volume) -> NDArray[Any]:
        """The mask's values in the pixels of each slice, (slices, rows, columns).

        Raises:
            SeriesError: When the mask does not lie on the series' grid.
        """
        corners = np.array([_corners(one, mask.grid) for one in self.slices])
        rounded = np.rint(corners).astype(int)
        rows, columns = int(self.slices[0].Rows), int(self.slices[0].Columns)
        self._check(mask.grid, float(np.abs(corners - rounded).max()), rounded)
        planes = np.empty((len(self.slices), rows, columns), mask.array_zyx.dtype)
        for plane, (first, right, below) in zip(planes, rounded, strict=True):
            across = np.linspace(first, right, columns).astype(int)
            down = np.linspace(first, below, rows).astype(int)
            x, y, z = (across[None, :] + down[:, None] - first).transpose(2, 0, 1)
            plane[...] = mask.array_zyx[z, y, x]
        return planes

    def _check(self, grid: Grid, off: float, corners: NDArray[np.intp]) -> None:
        """Refuse a mask whose voxels are not the series' pixels, one for one."""
        inside = (corners >= 0).all() and (corners < grid.size_xyz).all()
        n_pixels = sum(int(one.Rows) * int(one.Columns) for one in self.slices)
        each_once = len(np.unique(corners[:, 0], axis=0)) == len(self.slices)
        if off > OFF_GRID or not inside or n_pixels != grid.n_voxels or not each_once:
            raise SeriesError(
                f"a mask must lie on the grid of its PET series, voxel on pixel; the mask has "
                f"{' x '.join(map(str, grid.size_xyz))} voxels, the series {len(self.slices)} slices of "
                f"{self.slices[0].Columns} x {self.slices[0].Rows}, up to {off:.2f} voxels apart: take the series that "
                "the mask was made from"
            )


def _header(path: Path) -> Dataset | None:
    try:
        one = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError):
        return None
    for keyword in EMPTY_WHERE_UNKNOWN:
        if keyword not in one:
            setattr(one, keyword, "")
    return one


def _completed(one: Dataset, step_mm: float) -> Dataset:
    copied = Dataset()
    copied.update(one)  # shares the elements: one that changes is replaced, never written to
    copied.file_meta = one.file_meta
    values = {keyword: "" for keyword in MAY_BE_EMPTY if keyword not in one or not _is_moment(one[keyword])}
    values |= dict.fromkeys(("SliceThickness", "SpacingBetweenSlices"), f"{step_mm:.6f}")
    for keyword, value in values.items():
        copied.pop(keyword, None)
        setattr(copied, keyword, value)
    return copied


def _is_moment(element: DataElement) -> bool:
    """Whether an element is a date or time that can be copied; whether it is neither, too."""
    try:
        kind = {"DA": DA, "TM": TM}.get(element.VR, str)
        kind(str(element.value or ""))
    except (ValueError, TypeError):
        return False
    return True


def _height_mm(one: Dataset) -> float:
    """Where a slice lies along its normal."""
    across, down = np.reshape(np.array(one.ImageOrientationPatient, float), (2, 3))
    return float(np.cross(across, down) @ np.array(one.ImagePositionPatient, float))


def _corners(one: Dataset, grid: Grid) -> NDArray[np.float64]:
    """Mask indices (x, y, z), not rounded, of a slice's first pixel, the last of its row, the last of its column."""
    across, down = np.reshape(np.array(one.ImageOrientationPatient, float), (2, 3))
    row_mm, column_mm = map(float, one.PixelSpacing)  # between rows, between columns
    first = np.array(one.ImagePositionPatient, float)
    ends = [first, first + across * column_mm * (one.Columns - 1), first + down * row_mm * (one.Rows - 1)]
    return np.array([grid.index_of((float(x), float(y), float(z))) for x, y, z in ends])
