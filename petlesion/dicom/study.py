# SPDX-License-Identifier: Apache-2.0
"""A study's folder: every file in it looked at, and the PET and CT series found among them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.dicom.faults import DicomError
from petlesion.dicom.headers import quiet_pydicom, read_header, wanted_tags
from petlesion.dicom.planes import Plane, planes_of
from petlesion.dicom.real_world import STORAGE, RealWorldMap, maps_by_image
from petlesion.dicom.series import KINDS, Series, series_of
from petlesion.dicom.values import text_of
from petlesion.images import reason, shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MOST_FILES = 200_000
READERS = 4
DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR


@dataclass(frozen=True, slots=True)
class Study:
    """What a folder holds.

    Attributes:
        folder: The folder.
        series: Its PET and CT series, fit or not, in the order of their UIDs.
        maps: Real-world-value maps that lie in objects of their own, by SOP Instance UID.
        others: DICOM objects of other kinds: secondary captures, reports, structures.
        strangers: Files that are no DICOM, or cannot be read.
    """

    folder: Path
    series: tuple[Series, ...]
    maps: dict[str, tuple[RealWorldMap, ...]] = field(default_factory=dict)
    others: int = 0
    strangers: int = 0


@quiet_pydicom()
def find_study(folder: Path) -> Study:
    """Look at every file below a folder, whatever its name; only headers are read.

    Raises:
        DicomError: When there is no such folder, or no PET or CT in it.
    """
    paths = _files(folder)
    tags = wanted_tags()
    with ThreadPoolExecutor(READERS) as readers:
        headers = list(readers.map(lambda path: read_header(path, tags), paths))
    found = [(path, header) for path, header in zip(paths, headers, strict=True) if header is not None]
    images: dict[tuple[str, str], list[tuple[Dataset, tuple[Plane, ...]]]] = {}
    maps: dict[str, tuple[RealWorldMap, ...]] = {}
    others = 0
    for path, header in found:
        sop_class = text_of(header, "SOPClassUID")
        if kind := KINDS.get(sop_class):
            images.setdefault((text_of(header, "SeriesInstanceUID"), kind), []).append(
                (header, planes_of(header, path))
            )
        elif sop_class == STORAGE:
            maps.update(maps_by_image(header))
        else:
            others += sop_class != DIRECTORY
    if not images:
        raise DicomError(
            f"a study's folder must hold a PET and a CT as DICOM; among {len(paths)} files in {shown(folder)} there "
            f"is none ({len(found)} are DICOM of other kinds); give the folder that the scanner or archive exported"
        )
    series = tuple(series_of(files) for _, files in sorted(images.items()))
    return Study(folder, series, maps, others, len(paths) - len(found))


def _files(folder: Path) -> list[Path]:
    """Every file below the folder, in the order of their names."""
    if not folder.is_dir():
        raise DicomError(f"a DICOM study is a folder; {shown(folder)} is none; mend its path")
    paths: list[Path] = []
    try:
        for parent, folders, names in os.walk(folder, onerror=_raise):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            paths += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
            if len(paths) > MOST_FILES:
                raise DicomError(f"a study's folder holds one study; {shown(folder)} holds over {MOST_FILES:,} files")
    except OSError as error:
        raise DicomError(f"a study's folder must be readable; {shown(folder)} is not: {reason(error)}") from None
    return paths


def _raise(error: OSError) -> None:
    raise error
