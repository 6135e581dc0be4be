# SPDX-License-Identifier: Apache-2.0
"""Segmentation and measurement report of a case, made together and written as files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from petlesion.dicom.headers import quiet_pydicom
from petlesion.dicom_out.author import Author, Tracked, tracked
from petlesion.dicom_out.identity import mark_anonymous, without_identity
from petlesion.dicom_out.measurements import Measured, measurement_report
from petlesion.dicom_out.segmentation import numbered, segmentation
from petlesion.dicom_out.series import SeriesError
from petlesion.dicom_out.structures import structure_set
from petlesion.drafts import staged
from petlesion.images import OutputError, reason, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from petlesion.dicom_out.series import SourceSeries
    from petlesion.lesions import Lesion
    from petlesion.volume import Volume


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How objects are made.

    Attributes:
        author: How the mask came about.
        per_lesion: One segment for each lesion instead of one for all.
        contours: Make a structure set beside segmentation and report.
        anonymise: Leave out the patient's name, birth date and identifiers, which are copied from the source else.
    """

    author: Author = field(default_factory=Author)
    per_lesion: bool = False
    anonymise: bool = False
    contours: bool = False


@quiet_pydicom()  # highdicom prints names of patients that have no family name
def objects_of(
    series: SourceSeries, mask: Volume, lesions: Sequence[Lesion], options: ExportOptions
) -> dict[str, Dataset]:
    """The objects of a case by the names of their files.

    Args:
        series: The PET series that the mask was made from.
        mask: Non-zero in lesions, (Z, Y, X), on the series' grid.
        lesions: Its lesions, by `measure_lesions`.
        options: How they are made.

    Raises:
        SeriesError: When the mask does not lie on the series' grid, or the header holds what cannot be copied.
    """
    whole = series.completed()
    source = without_identity(whole) if options.anonymise else whole
    numbers = source.planes(numbered(mask))
    try:
        made = _made(source, numbers, lesions, options)
    except (ValueError, TypeError, AttributeError) as error:
        raise SeriesError(  # without the error's own text, which quotes the header
            "objects copy the patient and the study from their series; a value in its header is none that the standard "
            f"allows ({type(error).__name__}): mend the header, or leave the patient out with --anonymise"
        ) from None
    for one in made.values() if options.anonymise else ():
        mark_anonymous(one)
    return made


def _made(
    source: SourceSeries, numbers: NDArray[np.uint16], lesions: Sequence[Lesion], options: ExportOptions
) -> dict[str, Dataset]:
    names = tracked(len(lesions))
    segments = segmentation(source, numbers, names, options.author, per_lesion=options.per_lesion)
    report = measurement_report(source, segments, _measured(source, numbers, lesions, names), options.author)
    made: dict[str, Dataset] = {"seg.dcm": segments, "sr.dcm": report}
    if options.contours:
        made["rtstruct.dcm"] = structure_set(source, numbers, names, options.author)
    return made


def _measured(
    series: SourceSeries, numbers: NDArray[np.uint16], lesions: Sequence[Lesion], names: Sequence[Tracked]
) -> list[Measured]:
    on: dict[int, list[Dataset]] = {name.number: [] for name in names}
    for one, plane in zip(series.slices, numbers, strict=True):
        for number in np.unique(plane[plane > 0]).tolist():
            on[number].append(one)
    return [Measured(lesion, name, tuple(on[name.number])) for lesion, name in zip(lesions, names, strict=True)]


@quiet_pydicom()
def write_objects(objects: dict[str, Dataset], folder: Path) -> tuple[Path, ...]:
    """Write objects into a folder, which is made, each whole or not at all; their paths.

    Raises:
        OutputError: When one of them cannot be written.
    """
    return tuple(_written(one, folder / name) for name, one in objects.items())


def _written(one: Dataset, path: Path) -> Path:
    try:
        with staged(path) as draft:
            one.save_as(draft, enforce_file_format=True)
    except OSError as error:
        raise OutputError(f"a DICOM object must be written; {shown(path)} was not: {reason(error)}") from error
    return path
