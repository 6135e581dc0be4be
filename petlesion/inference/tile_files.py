# SPDX-License-Identifier: Apache-2.0
"""A folder of arrays under keys, for the next step of the same case in another process. It may be lost at any time.

A file holds a mark, a SHA-256 and an array in numpy's own format. The hash is over the key and the array, so a file
that is torn, cut short, of another key or no file of ours is not taken, and replaced; nothing is unpickled. Files are
written beside their place and renamed, so processes side by side never see half of one. What fails is a warning, and
the case goes on without: nothing here can change a mask, only the time that it takes.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import re
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LOG = logging.getLogger(__name__)
LIMIT_BYTES = 4 << 30
SPARE_BYTES = 256 << 20  # left free on the disk, which may be the mask's as well
MARK = b"petlesion tile 1\n"
HEAD = len(MARK) + 32
NAME = re.compile(r"[0-9a-f]{64}\.tile")
DRAFT = ".part-"
STALE_S = 3600.0  # a draft of this age is that of a process that was killed


@dataclass(slots=True)
class TileFiles:
    """A `tile_memory.TileMemory` in a folder, for one case. Make it with `open`.

    Attributes:
        root: The folder.
        limit_bytes: Our files together have at most so many. Those whose last use is the longest ago go first, but none
            that this case has used: where it fills the limit by itself, the rest of it is not kept.
        n_bytes: What they have together, as far as this process knows.
        used: Names of those that this case has read or written.
        writable: Whether writing has not failed yet.
    """

    root: Path
    limit_bytes: int = LIMIT_BYTES
    n_bytes: int = 0
    used: set[str] = field(default_factory=set)
    writable: bool = True

    @classmethod
    def open(cls, root: Path, limit_bytes: int = LIMIT_BYTES) -> TileFiles | None:
        """The folder, which is made where it is missing; None, with a warning, where it is none or cannot be read."""
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)  # tiles show what is in a patient's images
            found = cls(root.resolve(), limit_bytes)
            found._make_room(0)
        except (OSError, RuntimeError) as error:
            LOG.warning("warning: nothing is reused: the folder of --cache cannot be used: %s", error)
            return None
        return found

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """See `tile_memory.TileMemory`: None for all but an intact file of this key."""
        path = self._path(key)
        try:
            with _plain_file(path, self.limit_bytes) as content:
                array = _array(key, content)
        except Exception:  # noqa: BLE001 - numpy's reading of a head that is none ends in errors of many kinds
            return None
        self.used.add(path.name)
        with suppress(OSError):
            os.utime(path)
        return array

    def put(self, key: bytes, values: NDArray[np.float32]) -> None:
        """See `tile_memory.TileMemory`; after the first failure nothing is written any more."""
        path = self._path(key)
        if not self.writable:
            return
        try:
            content = _content(key, values)
            size = sum(map(len, content))
            if self.n_bytes + size > self.limit_bytes and not self._make_room(size):
                return
            _check_space(self.root, size)
            _write(path, content)
        except (OSError, MemoryError) as error:
            self.writable = False
            LOG.warning("warning: nothing more is kept for the next step: %s", error)
            return
        self.n_bytes += size
        self.used.add(path.name)

    def release(self) -> bool:
        """See `tile_memory.TileMemory`: a folder holds no memory of the process."""
        return False

    def _path(self, key: bytes) -> Path:
        return self.root / f"{key.hex()}.tile"

    def _make_room(self, size: int) -> bool:
        """Count our files, and remove as many as it takes for `size` more bytes; False where that cannot be."""
        found = sorted(_files(self.root), key=lambda one: one[1])
        self.n_bytes = sum(n for _, _, n in found)
        for path, _, n in found:
            if self.n_bytes + size <= self.limit_bytes:
                break
            if path.name not in self.used:
                path.unlink(missing_ok=True)
                self.n_bytes -= n
        return self.n_bytes + size <= self.limit_bytes


def _files(root: Path) -> Iterator[tuple[Path, int, int]]:
    """Our files with the moment of their last use, in ns, and their sizes; drafts of killed processes are removed."""
    with os.scandir(root) as entries:
        for entry in entries:
            with suppress(OSError):
                there = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(there.st_mode):
                    continue
                if NAME.fullmatch(entry.name):
                    yield Path(entry.path), there.st_mtime_ns, there.st_size
                elif entry.name.startswith(DRAFT) and time.time() - there.st_mtime > STALE_S:
                    Path(entry.path).unlink()


@contextmanager
def _plain_file(path: Path, limit_bytes: int) -> Iterator[bytes]:
    """The content of a regular file, whatever else may stand in its place: a link, a pipe, a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", closefd=True) as file:  # noqa: PTH123 - a descriptor
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode) or there.st_size > limit_bytes:
            raise ValueError("no file of ours")
        yield file.read()


def _content(key: bytes, values: NDArray[np.float32]) -> tuple[bytes, bytes]:
    """Head and array of a file."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    array = stream.getvalue()
    return MARK + _digest(key, array), array


def _array(key: bytes, content: bytes) -> NDArray[np.float32]:
    """The array of an intact file; ValueError for any other."""
    array = memoryview(content)[HEAD:]
    if content[:HEAD] != MARK + _digest(key, array):
        raise ValueError("no intact file of this key")
    found: NDArray[np.float32] = np.lib.format.read_array(io.BytesIO(array), allow_pickle=False)
    if found.dtype != np.float32:
        raise ValueError("no float32")
    return found


def _digest(key: bytes, array: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(key)
    digest.update(array)
    return digest.digest()


def _check_space(root: Path, size: int) -> None:
    """OSError where the disk would be left without room for the results."""
    disk = os.statvfs(root)
    if disk.f_bavail * disk.f_frsize - size < SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"less than {SPARE_BYTES >> 20} MB would be left on the disk", str(root))


def _write(path: Path, content: tuple[bytes, ...]) -> None:
    """Write a file beside its place, and rename it. It is not flushed: one that is torn is known by its hash."""
    descriptor, draft = tempfile.mkstemp(prefix=DRAFT, dir=path.parent)
    try:
        with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 - a descriptor
            file.writelines(content)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
