# SPDX-License-Identifier: Apache-2.0
"""Cases in a tree of folders: each folder below the root is a case, or holds some a few levels down.

Recognised, in this order: sockets (`input/`, `images/` or `inputs.json`), autoPET's `CTres.*` and `SUV.*`, one CT and
one PET by their names, and, where no image file is found below a folder, DICOM.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from petlesion.cohort.cases import CohortCase, Failure
from petlesion.dicom.sniff import holds_dicom
from petlesion.images import image_stem, shown
from petlesion.layouts import autopet_pair, images_in
from petlesion.listing import LISTING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEVELS = 3  # a patient, a study, a series
MOST_FOLDERS = 2000  # looked into for DICOM below one case
CT_NAME = re.compile(r"(?:.*[^a-z0-9])?(?:ct|ctres)", re.IGNORECASE)
PET_NAME = re.compile(r"(?:.*[^a-z0-9])?(?:pet|suv)", re.IGNORECASE)
CLICKS = ("lesion-clicks.json", "clicks.json")


def tree_cases(root: Path, out: Path) -> Iterator[CohortCase | Failure]:
    """The cases below a folder; `out` is where results go, and no case."""
    for folder in folders_in(root, out):
        found: list[CohortCase | Failure] = list(_below(folder, folder.name, LEVELS))
        if not found and has_dicom(folder):
            found = [CohortCase(folder.name, dicom=folder)]
        yield from found or [Failure.of_input(folder.name, _nothing_in(folder))]


def autopet_cases(root: Path, out: Path) -> Iterator[CohortCase | Failure]:
    """The folders, at most three levels down, that hold autoPET's CTres and SUV."""
    for folder in folders_in(root, out):
        found: list[CohortCase | Failure] = list(_autopet_below(folder, folder.name, LEVELS))
        rule = "a study of autoPET's holds CTres.* and SUV.*"
        yield from found or [Failure.of_input(folder.name, f"{rule}; {shown(folder)} does not; add the files")]


def dicom_cases(root: Path, out: Path) -> Iterator[CohortCase | Failure]:
    """The folders of a root as one DICOM study each."""
    for folder in folders_in(root, out):
        yield CohortCase(folder.name, dicom=folder)


def folders_in(folder: Path, out: Path | None = None) -> list[Path]:
    """The folders of a folder by name, without hidden ones and without that of the results."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and (out is None or path.resolve() != out)
    )


def has_dicom(folder: Path) -> bool:
    """Whether DICOM files lie in a folder or anywhere below it."""
    waiting = [folder]
    for _ in range(MOST_FOLDERS):
        if not waiting:
            break
        here = waiting.pop(0)
        if holds_dicom(here):
            return True
        waiting += folders_in(here)
    return False


def _below(folder: Path, name: str, levels: int) -> Iterator[CohortCase | Failure]:
    """The cases of image files in a folder: itself, or those below it, named by the way to them."""
    here = _case_of(folder, name)
    if here is not None:
        yield here
    elif levels > 1:
        for inner in folders_in(folder):
            yield from _below(inner, f"{name}_{inner.name}", levels - 1)


def _case_of(folder: Path, name: str) -> CohortCase | Failure | None:
    if (folder / "input").is_dir():
        return CohortCase(name, sockets=folder / "input")
    if (folder / "images").is_dir() or (folder / LISTING).is_file():
        return CohortCase(name, sockets=folder)
    if (pair := autopet_pair(folder)) is not None:
        return CohortCase(name, ct=pair.ct, pet=pair.pet, clicks=_clicks_in(folder))
    images = images_in(folder)
    ct = [path for path in images if CT_NAME.fullmatch(image_stem(path))]
    pet = [path for path in images if PET_NAME.fullmatch(image_stem(path))]
    if len(ct) == len(pet) == 1:
        return CohortCase(name, ct=ct[0], pet=pet[0], clicks=_clicks_in(folder))
    if not images:
        return None
    return Failure.of_input(
        name,
        "a folder of images holds one CT (ct, ctres or a name that ends in _ct) and one PET (pet, suv, or one that "
        f"ends in _pet); {shown(folder)} holds {len(ct)} and {len(pet)}; rename or move them, or list the cases",
    )


def _autopet_below(folder: Path, name: str, levels: int) -> Iterator[CohortCase | Failure]:
    pair = autopet_pair(folder)
    if pair is not None:
        yield CohortCase(name, ct=pair.ct, pet=pair.pet, clicks=_clicks_in(folder))
    elif levels > 1:
        for inner in folders_in(folder):
            yield from _autopet_below(inner, f"{name}_{inner.name}", levels - 1)


def _clicks_in(folder: Path) -> Path | None:
    return next((folder / name for name in CLICKS if (folder / name).is_file()), None)


def _nothing_in(folder: Path) -> str:
    return (
        f"a case's folder holds sockets (input/images/ct and pet), CTres and SUV, one CT and one PET image, or a DICOM "
        f"study; {shown(folder)} holds none of them; add the files, move the folder away, or list the cases in a CSV"
    )
