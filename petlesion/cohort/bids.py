# SPDX-License-Identifier: Apache-2.0
"""Cases in a layout like BIDS.

    sub-<label>/[ses-<label>/]pet/*_pet.nii.gz    a case each, named by the file without "_pet"
    sub-<label>/[ses-<label>/]{pet,ct,anat}/*_ct.nii.gz

.nii is read as well. BIDS knows no CT: of several, that with the PET's own entities is taken, else the one of its run.
Clicks are `*_clicks.json` beside the PET, with its entities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.cohort.cases import CohortCase, Failure
from petlesion.cohort.tree import folders_in
from petlesion.images import image_stem, image_suffix, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CT_FOLDERS = ("pet", "ct", "anat")
SUFFIXES = {".nii", ".nii.gz"}


def is_bids(root: Path) -> bool:
    """Whether a folder holds subjects."""
    return any(path.is_dir() for path in root.glob("sub-*"))


def bids_cases(root: Path) -> Iterator[CohortCase | Failure]:
    """The cases of each subject's sessions."""
    for subject in [folder for folder in folders_in(root) if folder.name.startswith("sub-")]:
        sessions = [folder for folder in folders_in(subject) if folder.name.startswith("ses-")]
        for session in [subject, *sessions] if (subject / "pet").is_dir() else sessions or [subject]:
            name = subject.name if session == subject else f"{subject.name}_{session.name}"
            yield from _session(session, name)


def _session(folder: Path, name: str) -> Iterator[CohortCase | Failure]:
    pets = _images(folder / "pet", "_pet")
    if not pets:
        rule = "a session holds its PET as pet/*_pet.nii.gz"
        yield Failure.of_input(name, f"{rule}; {shown(folder)} holds none; add it, or move the folder away")
    cts = [path for kind in CT_FOLDERS for path in _images(folder / kind, "_ct")]
    for pet in pets:
        entities = image_stem(pet).removesuffix("_pet")
        ct = _ct_of(entities, cts)
        clicks = pet.with_name(f"{entities}_clicks.json")
        if ct is None:
            yield Failure.of_input(
                entities,
                f"a PET has one CT, *_ct.nii.gz in {', '.join(CT_FOLDERS)} of its session, of its entities or run; "
                f"{shown(folder)} holds {len(cts)} of which none can be told to be it; add or rename it",
            )
        else:
            yield CohortCase(entities, ct=ct, pet=pet, clicks=clicks if clicks.is_file() else None)


def _ct_of(entities: str, cts: list[Path]) -> Path | None:
    """The CT of a PET: the only one, that of the same entities, or the only one of the same run."""
    if len(cts) == 1:
        return cts[0]
    same = [path for path in cts if image_stem(path) == f"{entities}_ct"]
    run = next((part for part in entities.split("_") if part.startswith("run-")), None)
    of_run = [path for path in cts if run in image_stem(path).split("_")]
    return next((found[0] for found in (same, of_run) if len(found) == 1), None)


def _images(folder: Path, ending: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if image_suffix(path) in SUFFIXES and image_stem(path).endswith(ending)
    )
