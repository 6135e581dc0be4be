# SPDX-License-Identifier: Apache-2.0
"""Archives of published models: unpacked with every member checked, and the models in them found."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from petlesion.images import OutputError
from petlesion.inference.download import check_room
from petlesion.inference.manifest import WeightsError
from petlesion.inference.published import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

N_MEMBERS = 10_000
GROWTH, FREE_BYTES = 10, 100_000_000  # weights hardly shrink in a zip: one that grows tenfold is none of weights
NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive, once all its members are known to stay in the folder and to fit.

    Args:
        archive: The archive.
        folder: Where its members go; made where it is missing. Files of the same names are replaced.

    Raises:
        WeightsError: When it is no sound zip archive, a member is a link, encrypted or leads out of the folder, or
            it holds more than an archive of weights can; nothing is unpacked then.
        OutputError: When the disk has no room, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as bundle:
            members = bundle.infolist()
            _check_members(archive, members)
            check_room(folder, sum(member.file_size for member in members), f"unpacking {archive.name}")
            bundle.extractall(folder)
    except NO_ARCHIVE as error:
        raise WeightsError(f"{archive} must be a zip archive ({error}); remove it and fetch it again") from error
    except OSError as error:
        raise OutputError(
            f"{archive.name} cannot be unpacked into {folder}: {error}; make room, or choose another"
        ) from error


def model_folder(root: Path, word: str) -> Path:
    """The one model folder of nnU-Net under `root`: plans.json, dataset.json and fold_k.

    Args:
        root: Where to look.
        word: What its path contains, where there are several.

    Raises:
        WeightsError: When there is none, or it cannot be told which.
    """
    found = [path.parent for path in sorted(root.rglob("plans.json")) if _is_model(path.parent)]
    return _the_one(found, root, word, "model folder of nnU-Net (plans.json, dataset.json, fold_0, ...)")


def checkpoint(root: Path, word: str) -> Path:
    """The one checkpoint under `root` that training can begin with; `word` decides between several.

    Raises:
        WeightsError: When there is none, or it cannot be told which.
    """
    found = [path for path in sorted(root.rglob("*.pth")) if path.name == CHECKPOINTS[0]]
    return _the_one(found or sorted(root.rglob("*.pth")), root, word, f"checkpoint such as {CHECKPOINTS[0]}")


def _is_model(folder: Path) -> bool:
    return (folder / "dataset.json").is_file() and any(fold.is_dir() for fold in folder.glob("fold_*"))


def _the_one(found: Sequence[Path], root: Path, word: str, what: str) -> Path:
    """The only path, or the only one that contains the word."""
    fitting = found if len(found) == 1 else [path for path in found if word in str(path.relative_to(root))]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(str(path.relative_to(root)) for path in (fitting or found)[:10]) or "none"
    raise WeightsError(
        f"the record must hold one {what}, or one with {word} in its path; it holds {names}; unpack it yourself and "
        "take the right one, with `petlesion weights import` where it is for inference"
    )


def _check_members(archive: Path, members: Iterable[zipfile.ZipInfo]) -> None:
    """Refuse members that leave the folder, are no files, or are too many or too large."""
    members = list(members)
    for member in members:
        fault = _fault(member)
        if fault:
            raise WeightsError(f"{archive.name}: members are files inside its folder; {member.filename!r} {fault}")
    size, allowed = sum(member.file_size for member in members), FREE_BYTES + GROWTH * archive.stat().st_size
    if len(members) > N_MEMBERS or size > allowed:
        raise WeightsError(
            f"{archive.name}: an archive of weights has at most {N_MEMBERS} members and {allowed} bytes; it would "
            f"have {len(members)} and {size}; unpack it yourself if you trust it"
        )


def _fault(member: zipfile.ZipInfo) -> str:
    """What is wrong with a member; "" where nothing is."""
    path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or set("\\:") & set(member.orig_filename):
        return "leads out of it"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a link or a device"
    return "is encrypted" if member.flag_bits & 1 else ""
