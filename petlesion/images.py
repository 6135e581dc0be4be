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
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from petlesion.case import CaseError
from petlesion.itk import grid_of, to_image, to_volume
from petlesion.metaimage import claims_too_many_dimensions
from petlesion.volume import Grid, GridError, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SUFFIXES = (".mha", ".nii.gz", ".nii", ".nrrd")
MAX_VOXELS = 1_500_000_000  # ten times the largest study known; more is a damaged header
SAME_PLACE_MM = 1e-3
HEADER_BYTES = 1 << 20
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

    It is written into a temporary folder of `staging`, flushed to the disk, renamed into its place, read back
    and compared. What fails on the way leaves nothing behind.

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
            sitk.WriteImage(to_image(mask), str(draft), True)  # noqa: FBT003 - compressed; SimpleITK takes no keyword
        _compare(mask, path)
    except OutputError:
        raise
    except (OSError, RuntimeError) as error:
        raise OutputError(f"the mask must be written whole; {shown(path)} was not: {reason(error)}") from error


@contextmanager
def staged(path: Path, staging: Path | None = None) -> Iterator[Path]:
    """Give a draft's path; on leaving, flush the draft and rename it to `path`. On an error, remove it.

    Args:
        path: The file's place. Its folder is made, and until the renaming holds nothing of the draft.
        staging: The folder in which the draft's temporary folder is made; that of `path` where it is None.

    Raises:
        OSError: When a folder or the draft cannot be written or renamed.
    """
    home = path.parent if staging is None else staging
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".petlesion-", dir=home) as folder:
        draft = Path(folder) / path.name
        yield draft
        _flush(draft)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(path)
        _flush(path.parent)


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
    return not any("\ud800" <= character <= "\udfff" for character in str(path))  # what UTF-8 has no bytes for


def _header(path: Path) -> sitk.ImageFileReader:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # noqa: FBT003 - ITK's warnings are not for our users
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
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
    if checksum is not None and zlib.adler32(native) != checksum != zlib.adler32(native.byteswap()):
        raise _FaultError(DAMAGED)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which `case.admit` replaces and counts
        array: NDArray[np.float32] = native.astype(np.float32)
    return array


def _mha_checksum(path: Path) -> int | None:
    """Adler-32 of the pixels, from the end of a compressed .mha's zlib stream; None where there is none."""
    text, start = _head(path, rb"(?<=\n)ElementDataFile *= *[^\n]*\n")
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
        stream.seek(start + int(size[1]) - 4)
        return int.from_bytes(stream.read(4), "big")


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


def _flush(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _compare(mask: Volume, path: Path) -> None:
    """Read a written mask back; remove it and raise where it is not the one given."""
    same = False
    try:
        there = to_volume(sitk.ReadImage(str(path)))
        same = there.array_zyx.dtype == np.uint8 and np.array_equal(there.array_zyx, mask.array_zyx)
        same = same and there.grid.same_as(mask.grid, SAME_PLACE_MM)
    finally:
        if not same:
            path.unlink(missing_ok=True)
    if not same:
        raise OutputError(f"a mask must read back as written; {shown(path)} does not: is the disk full?")
