# SPDX-License-Identifier: Apache-2.0
"""A case's folder in the output: made elsewhere, put there whole, taken away before another takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.cohort.record import RECORD
from petlesion.images import OutputError, shown

if TYPE_CHECKING:
    from pathlib import Path

MASK = "mask.nii.gz"
FILES = (RECORD, MASK, "report.json", "lesions.csv", "report.html")
"""What a case's folder holds of ours; the record first, since without it nothing there counts as done."""
NEEDED = FILES[1:3]  # without which a mask is not done


def discard(folder: Path) -> None:
    """Remove a case's former results, and the folder where nothing else lies in it.

    Raises:
        OutputError: When the folder is not of a cohort's: nothing is removed then.
        OSError: When it cannot be removed.
    """
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if RECORD not in names and names - set(FILES):
        raise OutputError(
            f"a case's results go into a folder of their own; {shown(folder)} holds other things already; give "
            "another --out"
        )
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    if not names - set(FILES):
        folder.rmdir()


def put(draft: Path, folder: Path) -> None:
    """Move a case's finished folder to its place; beside files of others, file by file, the record last.

    Raises:
        OutputError: See `discard`.
        OSError: When it cannot be moved.
    """
    discard(folder)
    if not folder.exists():
        draft.rename(folder)
        return
    for name in reversed(FILES):
        if (draft / name).exists():
            (draft / name).replace(folder / name)
