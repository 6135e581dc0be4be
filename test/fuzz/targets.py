# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: every parser of a file that somebody else may have written.

A target takes bytes, and ends in a value or in the error that is named for such a file, in one printable line.
Anything else that comes out of it is a finding.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from petlesion.case import CaseError
from petlesion.clicks import Clicks, ClicksError, admit_clicks, clicks_to_json, parse_clicks
from petlesion.images import read_image
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.manifest import WeightsError, parse_json, parse_manifest, render_manifest
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.listing import Listing
from petlesion.sockets import CLICKS, CT, PET
from petlesion.table import ReportError, lesion_table, parse_report
from petlesion.volume import Grid

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parent / "corpus"
GRID = Grid((10, 8, 6), (2.0, 2.0, 3.0), (-200.0, -150.0, 900.0))
DATASET = {"channel_names": {"0": "CT", "1": "PET"}, "labels": {"background": 0, "tumor": 1}}
LONGEST_LINE = 4000
_FOLDER = tempfile.TemporaryDirectory(prefix="petlesion-fuzz-")


class FindingError(AssertionError):
    """A parser that broke its promise."""


def clicks(data: bytes) -> None:
    """`lesion-clicks.json`, in voxels and in mm."""
    try:
        parsed = parse_clicks(data)
    except ClicksError as error:
        _must_be_a_sentence(error)
        return
    for unit in ("voxels", "mm"):
        admitted = admit_clicks(parsed, GRID, unit)
        if len(admitted.clicks) > len(parsed) or admitted.clicks.within(GRID) != admitted.clicks:
            raise FindingError(f"clicks outside the grid: {admitted.clicks}")
        _must_be_sentences(admitted.warnings)
        _must_come_back(admitted.clicks)


def listing(data: bytes) -> None:
    """`inputs.json`."""
    folder = Path(_FOLDER.name)
    (folder / "inputs.json").write_bytes(data)
    try:
        found = Listing.read(folder / "inputs.json")
        places = [found.find(socket) for socket in (CT, PET, CLICKS)]
    except CaseError as error:
        _must_be_a_sentence(error)
        return
    for place in places:
        if place is not None and (not place.is_relative_to(folder) or ".." in place.parts):
            raise FindingError(f"a place outside the folder: {place}")


def manifest(data: bytes) -> None:
    """`manifest.json` of a folder of weights."""
    try:
        entries = parse_manifest(data)
    except WeightsError as error:
        _must_be_a_sentence(error)
        return
    for path in (path for e in entries for path in (e.plans, e.dataset, *(f.file for f in e.folds)) if path):
        if not (Path("/a") / path).is_relative_to("/a") or ".." in Path(path).parts:
            raise FindingError(f"a path outside the folder: {path}")
    if parse_manifest(render_manifest(entries)) != entries:
        raise FindingError("a manifest that does not come back")


def plans(data: bytes) -> None:
    """`plans.json` of nnU-Net, with its network, and of MONAI; the network's numbers are never made."""
    try:
        document = parse_json(data, "plans.json")
    except WeightsError as error:
        _must_be_a_sentence(error)
        return
    for read in (
        lambda: MonaiPlans.parse(document),
        lambda: NnunetPlans.parse(document, DATASET),
        lambda: network_from_plans(document, "3d_fullres", 2, 2),
    ):
        try:
            with torch.device("meta"):
                read()
        except WeightsError as error:
            _must_be_a_sentence(error)


def report(data: bytes) -> None:
    """`report.json`, and the table that is shown of it."""
    try:
        text = lesion_table(parse_report(data))
    except ReportError as error:
        _must_be_a_sentence(error)
        return
    text.encode()


def mha(data: bytes) -> None:
    """A MetaImage: header and pixels."""
    path = Path(_FOLDER.name) / "image.mha"
    path.write_bytes(data)
    try:
        volume = read_image(path, "PET")
    except CaseError as error:
        _must_be_a_sentence(error)
        return
    if volume.array_zyx.shape != volume.grid.shape_zyx:
        raise FindingError(f"{volume.array_zyx.shape} pixels on a grid of {volume.grid.shape_zyx}")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "clicks": clicks,
    "listing": listing,
    "manifest": manifest,
    "plans": plans,
    "report": report,
    "mha": mha,
}


def corpus(name: str) -> list[Path]:
    """The kept inputs of a target: some of each kind, and every finding."""
    return sorted((CORPUS / name).iterdir())


def _must_be_a_sentence(error: Exception) -> None:
    _must_be_sentences((str(error),))


def _must_be_sentences(texts: tuple[str, ...]) -> None:
    for text in texts:
        line = " ".join(text.split())  # as `outcome.sentence_of` says it
        if not line or len(line) > LONGEST_LINE:
            raise FindingError(f"no line for a person: {line[:2000]!r}")
        line.encode("utf-8", "backslashreplace")  # as stderr takes it


def _must_come_back(there: Clicks) -> None:
    again = admit_clicks(parse_clicks(json.dumps(clicks_to_json(there))), GRID)
    if again.clicks != there or again.warnings:
        raise FindingError(f"clicks that do not come back: {there}")
