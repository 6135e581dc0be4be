# SPDX-License-Identifier: Apache-2.0
"""Pixels of a stack: each slice decoded and rescaled by its own slope and intercept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from pydicom import dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from petlesion.dicom.faults import DicomError
from petlesion.dicom.headers import quiet_pydicom
from petlesion.dicom.values import UNREADABLE
from petlesion.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

    from petlesion.dicom.planes import Plane
    from petlesion.dicom.series import Series
    from petlesion.volume import Grid

READERS = 4


def rescaled(series: Series, stack: Sequence[Plane], grid: Grid) -> Volume:
    """The values of a stack by each slice's own slope and intercept, float32, (Z, Y, X).

    Args:
        series: The series, for an error's text.
        stack: Its slices, in order.
        grid: Their grid.

    Raises:
        DicomError: When a file is cut short, damaged, or of a transfer syntax that nothing installed decodes.
    """
    array = np.empty(grid.shape_zyx, np.float32)
    places: dict[Path, list[int]] = {}
    for number, plane in enumerate(stack):
        places.setdefault(plane.path, []).append(number)

    def fill(path: Path) -> None:
        frames = _frames(series, path, grid.shape_zyx[1:])
        for number in places[path]:
            plane = stack[number]
            array[number] = frames[plane.frame or 0] * np.float64(plane.slope) + plane.intercept

    with quiet_pydicom(), ThreadPoolExecutor(READERS) as readers:  # decoders and disks do not hold the interpreter
        list(readers.map(fill, places))
    return Volume(array, grid)


def _frames(series: Series, path: Path, shape: tuple[int, int]) -> NDArray[np.generic]:
    """All frames of a file, (frames, rows, columns)."""
    try:
        whole = dcmread(path, force=True)
        _check_syntax(series, whole)
        pixels: NDArray[np.generic] = whole.pixel_array
    except (*UNREADABLE, RuntimeError) as error:
        if isinstance(error, DicomError):
            raise
        raise DicomError(
            f"each slice must be whole; one of {series} is damaged or cut short ({type(error).__name__}); "
            "copy or export the series again"
        ) from None
    if pixels.shape[-2:] != shape:
        raise DicomError(f"each slice must hold its rows and columns; one of {series} holds {pixels.shape}")
    return pixels.reshape(-1, *shape)


def _check_syntax(series: Series, whole: FileDataset) -> None:
    """Refuse, by name, a transfer syntax for which no decoder is installed."""
    syntax = UID(whole.file_meta.get("TransferSyntaxUID", ""))
    if not syntax.is_compressed:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise DicomError(
            f"pixels must be uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000; those of {series} are "
            f"{syntax.name} ({syntax}), which no decoder here reads; store them uncompressed, as gdcmconv --raw does"
        )
