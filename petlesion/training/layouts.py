# SPDX-License-Identifier: Apache-2.0
"""Folders of studies to train on: which layouts are understood, and what is refused before anything is written.

    sockets   DIR/<case>/input/images/{ct,pet}/*.mha, input/lesion-clicks.json, truth.mha, organs.mha, truth.json
              (what `petlesion phantom --out DIR/<case>` writes)
    nnunet    DIR/imagesTr/<case>_0000.* (CT) and <case>_0001.* (PET), DIR/labelsTr/<case>.* (autoPET's own form)
    autopet   DIR/<case>/CTres.*, SUV.* and SEG.* (CT on the PET's grid, PET in SUV, mask)

`*` is .mha, .nii.gz, .nii or .nrrd. Clicks and organ maps may lie in folders of their own, as <case>.json and <case>.*.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import SimpleITK as sitk

from petlesion.case import CaseError, Tracer
from petlesion.digest import file_sha256
from petlesion.itk import grid_of
from petlesion.layouts import autopet_pair, image_named, nnunet_pairs
from petlesion.sockets import find_files, one_image
from petlesion.volume import GridError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from petlesion.volume import Grid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_NAMED = 5  # cases that an error names


class DataError(CaseError):
    """Studies that cannot be trained on as they are. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class Study:
    """Where a study lies.

    Attributes:
        name: The case's name in the data set.
        ct: CT in HU.
        pet: PET in SUV.
        truth: Lesion mask on the PET's grid.
        clicks: A file of clicks, or None.
        organs: An organ map on the PET's grid, or None.
        tracer: What was injected, or None where neither name nor truth.json says it.
    """

    name: str
    ct: Path
    pet: Path
    truth: Path
    clicks: Path | None = None
    organs: Path | None = None
    tracer: Tracer | None = None


def find_studies(
    data: Path, *, clicks: Path | None = None, organs: Path | None = None, tracer: Tracer | None = None
) -> tuple[Study, ...]:
    """The studies of a folder in any of the layouts, by name; only headers are read.

    Args:
        data: The folder.
        clicks: A folder with files of clicks, <case>.json.
        organs: A folder with organ maps, <case>.nii.gz or the like.
        tracer: Take the studies of this tracer, and those that do not say theirs.

    Raises:
        DataError: When there is no study, a part of one is missing, a mask or an organ map lies on another grid
            than the PET, or a case is there twice; names the first cases that are at fault, and what to do.
    """
    try:
        found = [*_socket_studies(data), *_nnunet_studies(data), *_autopet_studies(data)]
    except OSError as error:
        raise DataError(f"studies lie in a folder; {data} cannot be read: {error.strerror or error}") from error
    studies = [_with_extras(study, clicks, organs) for study in found]
    studies = [study for study in studies if tracer is None or study.tracer in (None, tracer)]
    if not studies:
        kind = "" if tracer is None else f" with {tracer}"
        raise DataError(
            f"{data} must hold studies{kind} in one of the known layouts (sockets, nnunet, autopet); none is"
        )
    _check(studies)
    return tuple(sorted(studies, key=lambda study: study.name))


def _socket_studies(data: Path) -> list[Study]:
    return [_socket_study(folder) for folder in sorted(data.iterdir()) if (folder / "input").is_dir()]


def _socket_study(folder: Path) -> Study:
    try:
        files = find_files(folder / "input")
        ct, pet = one_image(files.ct_dir, "CT"), one_image(files.pet_dir, "PET")
    except CaseError as error:
        raise DataError(f"case {folder.name}: {error}") from error
    organs = folder / "organs.mha"
    return Study(
        name=folder.name,
        ct=ct,
        pet=pet,
        truth=folder / "truth.mha",
        clicks=files.clicks if files.clicks.is_file() else None,
        organs=organs if organs.is_file() else None,
        tracer=_tracer_said(folder / "truth.json") or tracer_of(folder.name),
    )


def _nnunet_studies(data: Path) -> list[Study]:
    pairs = nnunet_pairs(data / "imagesTr")
    return [Study(p.name, p.ct, p.pet, image_named(data / "labelsTr", p.name), tracer=tracer_of(p.name)) for p in pairs]


def _autopet_studies(data: Path) -> list[Study]:
    folders = [(folder, autopet_pair(folder)) for folder in sorted(data.iterdir()) if folder.is_dir()]
    return [
        Study(pair.name, pair.ct, pair.pet, image_named(folder, "SEG"), tracer=tracer_of(pair.name))
        for folder, pair in folders
        if pair
    ]


def tracer_of(name: str) -> Tracer | None:
    """The tracer that autoPET's form of names, `<tracer>_<patient>_<date>`, begins with; else None."""
    return next((tracer for tracer in Tracer if name.lower().startswith(f"{tracer.lower()}_")), None)


def _tracer_said(path: Path) -> Tracer | None:
    """The tracer in a phantom's truth.json; None where there is no such file."""
    if not path.is_file():
        return None
    try:
        return Tracer(json.loads(path.read_text(encoding="utf-8"))["tracer"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} must name the tracer, FDG or PSMA; it does not ({error}); mend or remove it"
        ) from error


def _with_extras(study: Study, clicks: Path | None, organs: Path | None) -> Study:
    """The study with what lies in the folders of clicks and of organ maps."""
    points = clicks / f"{study.name}.json" if clicks else None
    labels = image_named(organs, study.name) if organs else None
    return replace(
        study,
        clicks=points if points and points.is_file() else study.clicks,
        organs=labels if labels and labels.is_file() else study.organs,
    )


def _check(studies: Iterable[Study]) -> None:
    """Refuse what cannot be trained on: first names, then missing files, then grids, then copies."""
    studies = list(studies)
    names = Counter(study.name for study in studies)
    _refuse(
        "a case's name is of letters, digits, '.', '_' and '-'", "rename", [n for n in names if not NAME.fullmatch(n)]
    )
    twice = [name for name, count in names.items() if count > 1]
    _refuse("each case is there once", "remove one of the two", twice)
    missing = [f"{s.name} ({path.name})" for s in studies for path in (s.ct, s.pet, s.truth) if not path.is_file()]
    _refuse("a case to train on has CT, PET and lesion mask (all zero where it is healthy)", "add the file", missing)
    faults = [fault for study in studies for fault in _grid_faults(study)]
    _refuse("masks and organ maps lie on the grid of their PET", "resample them to it", faults)
    _refuse("each study is there once", "remove one of the two", _copies(studies))


def _refuse(rule: str, remedy: str, offences: list[str]) -> None:
    if offences:
        more = f" and {len(offences) - MOST_NAMED} more" if len(offences) > MOST_NAMED else ""
        raise DataError(f"{rule}; not so: {', '.join(offences[:MOST_NAMED])}{more}; {remedy}")


def _grid_faults(study: Study) -> list[str]:
    pet = header_grid(study.pet)
    others = [path for path in (study.truth, study.organs) if path is not None]
    return [f"{study.name} ({path.name})" for path in others if not header_grid(path).same_as(pet)]


def header_grid(path: Path) -> Grid:
    """The grid that an image's header says.

    Raises:
        DataError: When the file is no 3-D image.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        return grid_of(reader)
    except (RuntimeError, GridError) as error:
        text = str(error).strip().splitlines()[-1]
        raise DataError(f"{path} must be a 3-D image; its header cannot be read ({text}); copy it again") from error


def _copies(studies: list[Study]) -> list[str]:
    """Pairs of studies with the very same PET file under two names."""
    by_size: dict[int, list[Study]] = defaultdict(list)
    for study in studies:
        by_size[study.pet.stat().st_size].append(study)
    seen: dict[str, str] = {}
    pairs = []
    for study in (s for group in by_size.values() if len(group) > 1 for s in group):
        digest = file_sha256(study.pet)
        if (first := seen.setdefault(digest, study.name)) != study.name:
            pairs.append(f"{first} and {study.name} have the same PET")
    return pairs
