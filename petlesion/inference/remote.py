# SPDX-License-Identifier: Apache-2.0
"""A published record as its server describes it: title, licence, files with their checksums.

Pooch speaks with the server, and knows the forms that the answers of Zenodo's API have had.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from petlesion.images import OutputError
from petlesion.inference.manifest import WeightsError
from petlesion.limits import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from petlesion.inference.records import PublishedRecord

TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a record: its name, its size in bytes, its checksum such as "md5:...", its address."""

    name: str
    size: int
    checksum: str
    url: str

    def __post_init__(self) -> None:
        if self.name in {"", ".."} or PurePosixPath(self.name).name != self.name or set("\\\0") & set(self.name):
            raise ValueError(f"a file's name is no path; got {self.name[:80]!r}")
        if not re.fullmatch(r"md5:[0-9a-f]{32}", self.checksum) or type(self.size) is not int or self.size < 0:
            raise ValueError(f"{self.name}: an MD5 and a size are expected; got {self.checksum[:80]!r}, {self.size!r}")


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """What a server says of a record."""

    title: str
    doi: str
    licence: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size for file in self.files)


def downloader() -> Any:  # noqa: ANN401 - a module without types
    """Pooch, which the container does without; UsageError where it is not installed."""
    try:
        import pooch  # noqa: PLC0415 - needed by this one command
    except ImportError as error:
        raise UsageError(
            "a download needs the package pooch, which is not installed; install it: pip install 'pooch>=1.9,<2'"
        ) from error
    return pooch


def ask_record(record: PublishedRecord, api: str) -> RemoteRecord:
    """Ask the server what a record holds.

    Args:
        record: The record.
        api: Address of the server's API, such as https://zenodo.org/api.

    Raises:
        UsageError: When pooch is not installed.
        WeightsError: When the server cannot be reached, does not know the record or answers otherwise than Zenodo
            does, or when a file has not the MD5 that we know.
    """
    pooch, address = downloader(), f"{api.rstrip('/')}/records"
    said: dict[str, Any] = {"timeout": TIMEOUT_S, "headers": pooch.downloaders.REQUESTS_HEADERS}
    said["hooks"] = {"response": refuse_errors}  # pooch itself would read a page that says 404
    asked = pooch.downloaders.ZenodoRepository(record.doi, f"{address}/{record.number}", **said)
    asked.base_api_url = address
    with plain_errors(f"the record {address}/{record.number}"):
        answer = asked.api_response
    try:
        found = _parsed(asked, answer, record, pooch.create(path="", base_url=""))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise WeightsError(
            f"{address}/{record.number} must answer as Zenodo's API does ({type(error).__name__}: {error}); check --api"
        ) from error
    _check_known(found, record)
    return found


def agreed_licence(found: RemoteRecord, record: PublishedRecord, accepted: str | None) -> str:
    """The licence that the weights come under: the one we know the record under, or another that a person accepts.

    Raises:
        UsageError: When the record has another licence, and it is not the one accepted.
    """
    for licence in (record.licence, accepted):
        if licence is not None and licence.lower() == found.licence.lower():
            return licence
    raise UsageError(
        f"{found.doi} is known here under {record.licence}, and its record now says {found.licence or 'no licence'}; "
        f"read it, and give --accept-license {found.licence or 'ID'} where you accept it"
    )


@contextmanager
def plain_errors(what: str) -> Iterator[None]:
    """Errors of the network, of checksums and of the disk in words."""
    from requests import exceptions  # noqa: PLC0415 - comes with pooch

    try:
        yield
    except exceptions.HTTPError as error:
        there = error.response.status_code >= 500 or error.response.status_code == 429
        remedy = "run the command again later" if there else "check --record and --api"
        raise WeightsError(f"{what} must be there; the server says {error}; {remedy}") from error
    except exceptions.RequestException as error:
        raise WeightsError(
            f"{what} could not be fetched: {error}; check the network and run the command again: it goes on where "
            "it ended"
        ) from error
    except ValueError as error:  # pooch's, whose text names both checksums
        raise WeightsError(f"{what} must be the file that was published, and what came was removed: {error}") from error
    except OSError as error:
        raise OutputError(f"{what} cannot be written: {error}; make room, or choose another --cache") from error


def refuse_errors(response: Any, **_said: object) -> None:  # noqa: ANN401 - no types
    """A hook for requests: an answer that is an error raises it."""
    response.raise_for_status()


def _parsed(asked: Any, answer: Any, record: PublishedRecord, registry: Any) -> RemoteRecord:  # noqa: ANN401 - no types
    """A record out of the server's answer; pooch knows where addresses and checksums stand in it."""
    asked.populate_registry(registry)
    sizes = {file.get("key", file.get("filename")): file.get("size", file.get("filesize")) for file in answer["files"]}
    return RemoteRecord(
        title=str(answer["metadata"]["title"]),
        doi=str(answer.get("doi") or record.doi),
        licence=str((answer["metadata"].get("license") or {}).get("id") or ""),
        files=tuple(
            RemoteFile(name, sizes[name], checksum, asked.download_url(name))
            for name, checksum in registry.registry.items()
        ),
    )


def _check_known(found: RemoteRecord, record: PublishedRecord) -> None:
    """Refuse a record without files, or with another content than the one we know."""
    if not found.files:
        raise WeightsError(f"{found.doi} must hold a model; it holds no files; choose another version with --record")
    stated = {file.name: file.checksum for file in found.files}
    for name, md5 in record.md5:
        if stated.get(name) != f"md5:{md5}":
            raise WeightsError(
                f"{found.doi} must hold {name} with the MD5 {md5}; it states {stated.get(name, 'no such file')}; "
                f"where you trust it all the same, give --record {record.number}"
            )
