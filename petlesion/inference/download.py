# SPDX-License-Identifier: Apache-2.0
"""Download of a published record's files: each checked, none twice, and a cut one taken up where it ended.

Pooch checks the checksums and leaves alone what is there already. It begins a download that was cut from its start;
`_Resuming` lets it go on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from petlesion.images import OutputError
from petlesion.inference.manifest import WeightsError
from petlesion.inference.remote import TIMEOUT_S, downloader, plain_errors, refuse_errors

if TYPE_CHECKING:
    from petlesion.inference.remote import RemoteFile, RemoteRecord

CHUNK_BYTES = 1 << 16
TOLD_BYTES = 20_000_000  # a line for each twentieth of a file, but not for every few bytes

Say = Callable[[str], None]


def missing_bytes(found: RemoteRecord, cache: Path) -> int:
    """What is still to be downloaded: nothing for a file of the right size, the rest of one that was cut."""
    return sum(max(0, file.size - _size(cache / file.name) - _size(_part(file, cache))) for file in found.files)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        OutputError: When the folder's disk has fewer free bytes than needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{what} needs {needed / 1e9:.2f} GB in {folder}, and {free / 1e9:.2f} GB are free; make room, or choose "
            "another folder"
        )


def download(found: RemoteRecord, cache: Path, say: Say) -> tuple[Path, ...]:
    """Download the files of a record, each checked; what is there already, whole or in part, is not asked for again.

    Args:
        found: The record, as the server described it.
        cache: The folder for the files; made where it is missing.
        say: Is told how far a large file has come.

    Returns:
        The files, in the record's order.

    Raises:
        WeightsError: When the connection is cut (what came is kept) or a checksum is wrong (what came is removed).
        OutputError: When the files cannot be written.
    """
    pooch = downloader()
    manager = pooch.create(
        path=cache,
        base_url="",
        registry={file.name: file.checksum for file in found.files},
        urls={file.name: file.url for file in found.files},
    )
    paths = []
    for file in found.files:
        with plain_errors(f"{file.name} of {found.doi}"):
            fetched = manager.fetch(file.name, downloader=_Resuming(pooch, file, _part(file, cache), say))
        paths.append(Path(fetched))
    return tuple(paths)


@dataclass(frozen=True, slots=True)
class _Resuming:
    """A downloader for pooch that goes on with the part of a file that is there.

    What one connection leaves out, the next one fetches, for as long as each brings something.
    """

    pooch: Any
    file: RemoteFile
    part: Path
    say: Say

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        from requests import exceptions  # noqa: PLC0415 - comes with pooch

        self.part.touch()
        while (begun := _size(self.part)) < self.file.size:
            fault: Exception = exceptions.ConnectionError(
                f"the connection ended after {begun} of {self.file.size} bytes"
            )
            try:
                self._go_on(url, begun)
            except (exceptions.ConnectionError, exceptions.ChunkedEncodingError, exceptions.Timeout) as error:
                fault = error
            if _size(self.part) <= begun:
                raise fault
        self.part.replace(output_file)

    def _go_on(self, url: str, begun: int) -> None:
        headers = self.pooch.downloaders.REQUESTS_HEADERS | {"Accept-Encoding": "identity"}
        if begun:
            headers |= {"Range": f"bytes={begun}-"}
        with self.part.open("ab") as file:
            http = self.pooch.HTTPDownloader(
                progressbar=_Told(self.file, begun, self.say),
                chunk_size=CHUNK_BYTES,
                timeout=TIMEOUT_S,
                headers=headers,
                hooks={"response": partial(_right_place, file, begun)},
            )
            http(url, file, None)


@dataclass(slots=True)
class _Told:
    """A progress bar, as pooch uses one, that tells each twentieth of a file in a line."""

    file: RemoteFile
    here: int
    say: Say
    total: int = 0
    told: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.told = self.here

    def update(self, n_bytes: int) -> None:
        self.here = min(self.file.size, self.here + n_bytes)
        if self.here - self.told >= max(TOLD_BYTES, self.file.size // 20):
            self.told = self.here
            self.say(f"{self.file.name}: {self.here / 1e6:.0f} of {self.file.size / 1e6:.0f} MB")

    def reset(self) -> None:
        self.told = self.file.size  # what follows is pooch's own "all of it"

    def close(self) -> None:
        """Nothing is open."""


def _right_place(file: BinaryIO, begun: int, response: Any, **_said: object) -> None:  # noqa: ANN401 - no types
    """Write where the server's answer begins: after the part that is there, or at the start."""
    refuse_errors(response)
    if response.status_code == 200:
        file.truncate(0)
    elif response.status_code == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
        raise WeightsError(
            f"asked for the bytes from {begun} on, {response.url} sent {response.headers.get('Content-Range')!r}; "
            f"remove {file.name} and run the command again"
        )


def _part(file: RemoteFile, cache: Path) -> Path:
    """Where the beginning of a file waits; its name holds the checksum, so that no other file is gone on with."""
    return cache / f"{file.name}.{file.checksum.removeprefix('md5:')[:12]}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
