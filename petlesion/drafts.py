# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all: written as drafts, flushed, and renamed into their place.

A draft lies in a temporary folder of its own, which goes when the writing ends, well or not. Only a process that is
killed leaves one behind; since each is locked as long as its process lives, the next run knows it and removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = ".petlesion-"


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
    with draft_folder(home) as folder:
        draft = folder / path.name
        yield draft
        with _opened(draft) as descriptor:
            os.fsync(descriptor)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(path.parent) as descriptor:  # opened before: once the file is in its place, little can fail
            draft.replace(path)
            os.fsync(descriptor)


@contextmanager
def draft_folder(home: Path) -> Iterator[Path]:
    """A temporary folder in `home`, gone on leaving; those that killed processes left there go before.

    Raises:
        OSError: When it cannot be made.
    """
    _remove_stale(home)
    while True:
        # What cannot be removed now, the next run removes: it is no reason to call what is in its place a failure.
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=home, ignore_cleanup_errors=True) as folder:
            descriptor = _locked(folder)
            if descriptor is None:
                continue
            try:
                yield Path(folder)
            finally:
                os.close(descriptor)
            return


def _locked(folder: str) -> int | None:
    """A descriptor that holds a new folder's lock; None where another process has removed the folder just before.

    Between its making and its locking it looks like one whose process has ended.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with suppress(OSError):  # a file system without locks; then nobody can take one either
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if Path(folder).is_dir():
        return descriptor
    os.close(descriptor)
    return None


def _remove_stale(home: Path) -> None:
    """Remove the draft folders whose process has ended; others, and what may not be removed, stay."""
    for folder in home.glob(f"{PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file or a folder, to bring its bytes or its names to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
