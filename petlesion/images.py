# SPDX-License-Identifier: Apache-2.0
"""Images on disk: read whole or refused in words, written whole or not at all.

SimpleITK decodes; this module distrusts. A compressed .mha with a flipped bit, a .nii cut short and a damaged
.nrrd all come out of ITK as images with wrong pixels and no error, so every file is held against its own
checksum or length.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from petlesion.case import CaseError
from petlesion.drafts import staged
from petlesion.itk import grid_of, to_image, to_volume
from petlesion.metaimage import claims_too_many_dimensions
from petlesion.volume import Grid, GridError, Volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = (".mha", ".nii.gz", ".nii", ".nrrd")
MAX_VOXELS = 1_500_000_000  # ten times the largest study known; more is a damaged header
SMALLEST_STEP_MM, LARGEST_SIDE_MM, FARTHEST_MM = 0.3, 1e4, 1e6  # of a spacing, a field of view, an origin
SAME_PLACE_MM = 1e-3
HEADER_BYTES = 1 << 20
MHA_END = rb"(?<=\n)ElementDataFile *= *[^\n]*\n"
CHUNK_BYTES = 1 << 22
DAMAGED = "is damaged or cut short: copy or export it again"


class ImageError(CaseError):
    """An image that cannot be read or used. Its text states rule, offence and remedy."""


class OutputError(RuntimeError):
    """An output that cannot be written. Its text states rule, offence and remedy."""


class _FaultError(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its path."""


def read_image(path: Path, what: str = "image") -> Volume:
    """Read a 3-D image of single values.

    Args:
        path: A .mha, .nii, .nii.gz or .nrrd file.
        what: What the image is to the user, for the error's text: "CT", "PET", "mask".

    Returns:
        float32 values, (Z, Y, X), whatever number type the file holds.

    Raises:
        ImageError: When the file is missing, empty, cut short, damaged, no image, 4-D, of vectors, or of a
            geometry that no scanner produces.
        MemoryError: When the image is too large for the memory there is.
    """
    try:
        _check_file(path)
        reader = _header(path)
        grid = _checked_grid(reader)
        _check_stream(path, reader, grid)
        return Volume(_pixels(path, reader), grid)
    except (_FaultError, OSError) as error:
        fault = str(error) if isinstance(error, _FaultError) else f"cannot be read: {reason(error)}"
        raise ImageError(f"the {what} must be one intact 3-D image of single values; {shown(path)} {fault}") from None


def write_mask(mask: Volume, path: Path, staging: Path | None = None) -> None:
    """Write a mask as compressed uint8 so that it is there whole and as given, or not there at all.

    It is written into a temporary folder of `staging`, read back and compared, flushed to the disk and renamed into its
    place. What fails on the way leaves nothing behind, and a former mask where it was.

    Args:
        mask: bool, or uint8 of 0 and 1, (Z, Y, X).
        path: Where it goes; a former file there is replaced. Its folder is made.
        staging: A folder of the same file system; that of `path` where it is None.

    Raises:
        OutputError: When it cannot be written, or what lies on the disk is not what was given.
        ValueError: When the array is no mask.
    """
    array = mask.array_zyx
    if array.dtype not in (np.bool_, np.uint8) or array.max() > 1:
        raise ValueError(f"a mask holds bool, or uint8 of 0 and 1; got {array.dtype} up to {array.max()}")
    if image_suffix(path) is None or not _is_utf8(path):
        raise OutputError(f"a mask's name is UTF-8 and ends in {', '.join(SUFFIXES)}; got {shown(path)}")
    try:
        with staged(path, staging) as draft:
            sitk.WriteImage(to_image(mask), _itk_name(draft), True)  # noqa: FBT003 - compressed; takes no keyword
            _compare(mask, draft, path)
    except OutputError:
        raise
    except (OSError, RuntimeError) as error:
        raise OutputError(f"the mask must be written whole; {shown(path)} was not: {reason(error)}") from error


def image_suffix(path: Path) -> str | None:
    """The image suffix of a file's name as it stands there, such as ".nii.gz"; None where there is none."""
    name = path.name
    return next((name[-len(s) :] for s in SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), None)


def image_stem(path: Path) -> str:
    """A file's name without its image suffix."""
    return path.name.removesuffix(image_suffix(path) or "")


def shown(path: Path) -> str:
    """A path for a sentence: printable, whatever bytes its name holds."""
    return printable(str(path))


def printable(text: str) -> str:
    """Text in one line of valid UTF-8: line breaks, control codes and undecodable bytes are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def reason(error: Exception) -> str:
    """An error's cause in one short line: the system's word for it, or the last line of a library's text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[-1].strip()[:200])


def _check_file(path: Path) -> None:
    if not _is_utf8(path):
        raise _FaultError("has a name that is not UTF-8: rename it")
    if not path.exists():
        raise _FaultError("does not exist")
    if not path.is_file():
        raise _FaultError("is not a file")
    if image_suffix(path) is None:
        raise _FaultError(f"has none of the suffixes {', '.join(SUFFIXES)}: convert it")
    if path.stat().st_size == 0:
        raise _FaultError("is empty (0 bytes): copy or export it again")
    with path.open("rb") as stream:
        if path.name.lower().endswith(".mha") and claims_too_many_dimensions(stream.read(HEADER_BYTES)):
            raise _FaultError("claims dimensions without end: its header is damaged")


def _is_utf8(path: Path) -> bool:
    """Whether SimpleITK can take the path; one that it cannot decode ends the whole process."""
    try:
        _itk_name(path)
    except UnicodeDecodeError:
        return False
    return True


def _itk_name(path: Path) -> str:
    """The path as SimpleITK takes it, which is UTF-8 whatever the locale says."""
    return os.fsencode(path).decode("utf-8")


def _header(path: Path) -> sitk.ImageFileReader:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # noqa: FBT003 - ITK's warnings are not for our users
    reader = sitk.ImageFileReader()
    reader.SetFileName(_itk_name(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise _FaultError("has axes that are not perpendicular: resample it to a regular grid") from None
        raise _FaultError("is damaged, cut short, or no image of its suffix's kind: copy or export it again") from None
    return reader


def _checked_grid(reader: sitk.ImageFileReader) -> Grid:
    """The header's grid, before any pixel is read."""
    sizes = " x ".join(map(str, reader.GetSize()))
    if reader.GetDimension() != 3:
        raise _FaultError(f"has {reader.GetDimension()} dimensions ({sizes}): save one volume of it")
    if reader.GetNumberOfComponents() != 1:
        kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
        raise _FaultError(f"holds {reader.GetNumberOfComponents()} values a voxel ({kind}): save one channel of it")
    try:
        grid = grid_of(reader)
    except GridError as error:
        raise _FaultError(f"has a geometry that cannot be: {error}") from None
    if grid.n_voxels > MAX_VOXELS:
        raise _FaultError(f"claims {sizes} voxels, more than {MAX_VOXELS:,}: its header is damaged")
    sides = [n * step for n, step in zip(grid.size_xyz, grid.spacing_mm, strict=True)]
    farthest = max(abs(place) for place in grid.origin_mm)
    if min(grid.spacing_mm) < SMALLEST_STEP_MM or max(sides) > LARGEST_SIDE_MM or farthest > FARTHEST_MM:
        steps = " x ".join(f"{step:.4g}" for step in grid.spacing_mm)
        place = ", ".join(f"{mm:.4g}" for mm in grid.origin_mm)
        raise _FaultError(
            f"claims {sizes} voxels of {steps} mm from {place} mm on, as no scanner makes: mend its header"
        )
    return grid


def _check_stream(path: Path, reader: sitk.ImageFileReader, grid: Grid) -> None:
    """Hold a .nii, .nii.gz or .nrrd against its own length and checksum, which ITK does not."""
    suffix = (image_suffix(path) or "").lower()
    if suffix == ".nrrd":
        text, start = _head(path, rb"\r?\n\r?\n")
        if re.search(rb"^encoding: *gz", text, re.MULTILINE | re.IGNORECASE):
            _unzipped_bytes(path, start)
    if suffix.startswith(".nii"):
        pixels = grid.n_voxels * int(reader.GetMetaData("bitpix")) // 8
        there = _unzipped_bytes(path) if suffix == ".nii.gz" else path.stat().st_size
        if there < float(reader.GetMetaData("vox_offset")) + pixels:
            raise _FaultError(DAMAGED)


def _pixels(path: Path, reader: sitk.ImageFileReader) -> NDArray[np.float32]:
    """The pixels as float32, (Z, Y, X); those of a compressed .mha are held against its checksum."""
    checksum = _mha_checksum(path) if path.name.lower().endswith(".mha") else None
    try:
        image = reader.Execute()
    except RuntimeError as error:
        if "alloc" in str(error):
            raise MemoryError(f"{shown(path)}: {reader.GetSize()} voxels") from None
        raise _FaultError(DAMAGED) from None
    native = sitk.GetArrayViewFromImage(image)  # valid as long as `image` lives
    _check_raw_length(path, native.nbytes)
    if checksum is not None and zlib.adler32(native) != checksum != zlib.adler32(native.byteswap()):
        raise _FaultError(DAMAGED)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which `case.admit` replaces and counts
        array: NDArray[np.float32] = native.astype(np.float32)
    return array


def _mha_checksum(path: Path) -> int | None:
    """Adler-32 of the pixels, from the end of a compressed .mha's zlib stream; None where there is none."""
    text, start = _head(path, MHA_END)
    if not re.search(rb"= *LOCAL\s*$", text):
        raise _FaultError("keeps its pixels in another file: save it as one .mha")
    if not re.search(rb"^CompressedData *= *T", text, re.MULTILINE | re.IGNORECASE):
        return None  # ITK itself notices when raw pixels are missing
    if not (size := re.search(rb"^CompressedDataSize *= *(\d+)", text, re.MULTILINE)):
        raise _FaultError(DAMAGED)  # ITK needs it, and makes wrong pixels without
    with path.open("rb") as stream:
        stream.seek(start)
        if stream.read(2) == b"\x1f\x8b":  # gzip, which MetaImage takes as well
            _unzipped_bytes(path, start)
            return None
        end = start + int(size[1][:20])  # a size of more digits is none; it may not become an offset
        if end > path.stat().st_size:
            raise _FaultError(DAMAGED)
        stream.seek(end - 4)
        return int.from_bytes(stream.read(4), "big")


def _check_raw_length(path: Path, expected: int) -> None:
    """Refuse an .mha of plain voxels that holds more of them than its header says: one of the two is wrong."""
    if not path.name.lower().endswith(".mha"):
        return
    text, start = _head(path, MHA_END)
    if re.search(rb"^(CompressedData *= *T|HeaderSize)", text, re.MULTILINE | re.IGNORECASE):
        return
    if (there := path.stat().st_size - start) != expected:
        raise _FaultError(f"has {there} bytes of voxels, its header says {expected}: copy or export it again")


def _head(path: Path, ending: bytes) -> tuple[bytes, int]:
    """The text header up to and with the first match of `ending`, and where the pixels begin."""
    with path.open("rb") as stream:
        text = stream.read(HEADER_BYTES)
    if not (match := re.search(ending, text)):
        raise _FaultError(DAMAGED)
    return text[: match.end()], match.end()


def _unzipped_bytes(path: Path, start: int = 0) -> int:
    """Length of the gzip stream that begins at byte `start`, with its checksum verified."""
    with path.open("rb") as packed:
        packed.seek(start)
        try:
            with gzip.GzipFile(fileobj=packed) as stream:
                return sum(map(len, iter(lambda: stream.read(CHUNK_BYTES), b"")))
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise _FaultError(DAMAGED) from None


def _compare(mask: Volume, draft: Path, path: Path) -> None:
    """Read the draft of a mask back; raise where it is not the one given."""
    there = to_volume(sitk.ReadImage(_itk_name(draft)))
    same = there.array_zyx.dtype == np.uint8 and np.array_equal(there.array_zyx, mask.array_zyx)
    if not (same and there.grid.same_as(mask.grid, SAME_PLACE_MM)):
        raise OutputError(f"a mask must read back as written; {shown(path)} does not: is the disk full?")
