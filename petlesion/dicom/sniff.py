# SPDX-License-Identifier: Apache-2.0
"""Is it DICOM? Told from the first bytes, without loading the library that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.images import image_suffix

if TYPE_CHECKING:
    from pathlib import Path

PREAMBLE = 128
LOOKED_AT = 8  # files of a folder; an image set holds nothing else


def looks_like_dicom(head: bytes) -> bool | None:
    """Whether a file's first 132 bytes have DICOM's prefix; None where the file cannot be DICOM.

    Old exports lack the prefix and begin with an element of group 0002 or 0008 in little-endian order.
    """
    if head[PREAMBLE:] == b"DICM":
        return True
    return False if head[:2] in {b"\x02\x00", b"\x08\x00"} and head[3:4] == b"\x00" else None


def holds_dicom(folder: Path) -> bool:
    """Whether a socket's folder holds an image set: DICOM files with the prefix, and no image of another kind."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if any(image_suffix(path) for path in files):
            return False
        return any(looks_like_dicom(_head(path)) for path in files[:LOOKED_AT])
    except (OSError, ValueError):
        return False


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(PREAMBLE + 4)
