# SPDX-License-Identifier: Apache-2.0
"""`petlesion weights fetch`: download published weights by their DOI, check them, import and verify them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlesion.inference.records import API, RECORDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from petlesion.inference.download import Say
    from petlesion.inference.published import Imported
    from petlesion.inference.records import Destination, PublishedRecord
    from petlesion.inference.remote import RemoteRecord

SUMMARY = "download a published model by its DOI, check it, import and verify it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    known = ", ".join(f"{name} (doi:{record.doi}, {record.licence})" for name, record in RECORDS.items())
    parser.add_argument("name", choices=sorted(RECORDS), metavar="NAME", help=f"one of {known}")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="store to write into (default: where process.py looks); for a pretrained start, where it is unpacked",
    )
    parser.add_argument("--record", metavar="ID", help="another record of the same model: its number or DOI")
    parser.add_argument("--accept-license", metavar="ID", help="a licence that you accept, where the record's changed")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder for downloads (default: the user's cache)")
    parser.add_argument(
        "--api", default=API, metavar="URL", help="address of the record server's API (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; everything else goes to stderr")


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit status."""
    job = _agreed(arguments)
    if job.record.model is None:
        done = _keep(job, arguments.out or job.cache / "unpacked")
    else:
        done = _import(job, job.record.model, writable_store(arguments.out))
    if arguments.json:
        said = {"doi": job.found.doi, "title": job.found.title, "licence": job.licence, "cache": str(job.cache)}
        print(json.dumps(said | done, indent=2))
    return 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A record that was found, the licence that it comes under, and the folder for its files."""

    record: PublishedRecord
    found: RemoteRecord
    licence: str
    cache: Path
    say: Say


def _agreed(arguments: argparse.Namespace) -> _Job:
    """Find and describe the record, and settle its licence; nothing is downloaded yet."""
    from petlesion.inference.remote import agreed_licence, ask_record, downloader

    say: Say = partial(print, file=sys.stderr if arguments.json else sys.stdout, flush=True)
    record = RECORDS[arguments.name]
    if arguments.record is not None:
        record = record.at(arguments.record)
    found = ask_record(record, arguments.api)
    _describe(found, say)
    licence = agreed_licence(found, record, arguments.accept_license)
    cache = arguments.cache or Path(downloader().os_cache("petlesion"))
    return _Job(record, found, licence, cache / record.number, say)


def writable_store(path: Path | None, places: Sequence[Path] | None = None) -> Path:
    """The folder to import into: `path`, or the first of the usual places that can be written, else the last of them.

    Raises:
        OutputError: When it cannot be made or written.
    """
    from petlesion.images import OutputError
    from petlesion.inference.weights import SEARCH

    usual = SEARCH if places is None else places
    store = path or next((place for place in usual if os.access(place, os.W_OK)), usual[-1])
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"a store is a folder; {store} cannot be made: {error}; choose another with --out") from error
    if not os.access(store, os.W_OK):
        raise OutputError(f"a store must be writable; {store} is not; choose another folder with --out")
    return store


def _describe(found: RemoteRecord, say: Say) -> None:
    say(f"{found.title}\ndoi:{found.doi}, licence: {found.licence or 'none stated'}")
    for file in found.files:
        say(f"  {file.name}  {file.size / 1e6:.1f} MB  {file.checksum}")
    say(f"{len(found.files)} files, {found.bytes / 1e6:.1f} MB in all")


def _downloaded(job: _Job) -> tuple[Path, ...]:
    """The files of the record in the cache, once there is room for them and for what they hold."""
    from petlesion.images import OutputError
    from petlesion.inference.download import check_room, download, missing_bytes

    try:
        job.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"a cache is a folder; {job.cache} cannot be made: {error}; choose another --cache"
        ) from error
    check_room(job.cache, missing_bytes(job.found, job.cache) + job.found.bytes, "the download and its unpacking")
    paths = download(job.found, job.cache, job.say)
    job.say(f"complete, with the record's checksums: {', '.join(str(path) for path in paths)}")
    return paths


def _import(job: _Job, model: Destination, store: Path) -> dict[str, Any]:
    """Import the record's model into the store, and verify the store."""
    from petlesion.inference.archive import model_folder
    from petlesion.inference.download import check_room
    from petlesion.inference.published import import_nnunet_folder

    job.say(f"into {store}")
    files = _downloaded(job)
    with tempfile.TemporaryDirectory(prefix="unpacked-", dir=job.cache) as name:
        _unpack(files, Path(name))
        check_room(store, job.found.bytes // 2, "the import")  # fp16, and none of the optimiser's numbers
        imported = import_nnunet_folder(
            model_folder(Path(name), job.record.folder),
            recipe_name=model.recipe,
            role=model.role,
            channels=model.channels,
            training_data=model.training_data,
            out=store,
            licence=job.licence,
            source=f"doi:{job.found.doi}",
        )
    n_bytes = _verified(store)
    _tell(imported, f"{store}: {n_bytes} bytes, all sound", job.say)
    return {"store": str(store), "model": asdict(imported.entry), "notes": imported.notes, "verified_bytes": n_bytes}


def _verified(store: Path) -> int:
    """Bytes of the store's weights, once hashes, keys and shapes of all its files are checked."""
    from petlesion.inference.networks import check_models
    from petlesion.inference.weights import ModelStore

    opened = ModelStore.open(store)
    check_models(opened)
    return opened.verify()


def _tell(imported: Imported, verdict: str, say: Say) -> None:
    entry = imported.entry
    say(f"{entry.name}: {len(entry.folds)} folds; licence: {entry.licence}; {entry.source}")
    for note in imported.notes:
        say(f"note: {note}")
    say(verdict)


def _keep(job: _Job, folder: Path) -> dict[str, Any]:
    """Unpack a checkpoint that training begins with, and say where it is."""
    from petlesion.inference.archive import checkpoint

    _unpack(_downloaded(job), folder)
    path = checkpoint(folder, job.record.folder).resolve()
    job.say(f"not for inference; begin a training with: petlesion train ... --pretrained {path}")
    return {"checkpoint": str(path)}


def _unpack(files: Sequence[Path], folder: Path) -> None:
    """Unpack the record's archives."""
    from petlesion.inference.archive import unpack

    for path in files:
        if path.suffix.lower() == ".zip":
            unpack(path, folder)
