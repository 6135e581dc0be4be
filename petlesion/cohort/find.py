# SPDX-License-Identifier: Apache-2.0
"""Which cases a cohort has: by its layout, told or recognised. What is found but unusable is a failure, not the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from petlesion.cohort.bids import bids_cases, is_bids
from petlesion.cohort.cases import CohortCase, CohortError, Failure, Found
from petlesion.cohort.listed import listed_cases
from petlesion.cohort.tree import autopet_cases, dicom_cases, tree_cases
from petlesion.images import reason, shown
from petlesion.layouts import nnunet_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Layout = Literal["auto", "tree", "bids", "nnunet", "autopet", "dicom", "csv"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
NNUNET_FOLDERS = ("imagesTr", "imagesTs")


def find_cases(source: Path, layout: Layout, out: Path, clicks: Path | None = None) -> Found:
    """The cases of a cohort by name; nothing but names, and the first bytes of what may be DICOM, is read.

    Args:
        source: A folder, or a CSV.
        layout: How it is laid out; "auto" looks.
        out: Where results go; inside `source` it is no case.
        clicks: A folder of files of clicks, <case>.json, for cases whose layout has none.

    Raises:
        CohortError: When the source cannot be read, or holds nothing that could be a case.
    """
    told = recognised(source) if layout == "auto" else layout
    try:
        found = Found.of(_with_clicks(_search(source, told, out.resolve()), clicks))
    except OSError as error:
        raise CohortError(f"a cohort must be readable; {shown(source)} is not: {reason(error)}; mend that") from None
    if not found.cases and not found.failures:
        raise CohortError(
            f"a cohort holds cases in the layout {told}; {shown(source)} holds none; give another folder, or --layout "
            f"with one of {', '.join(LAYOUTS)}"
        )
    return found


def recognised(source: Path) -> Layout:
    """The layout of a cohort by what lies at its top.

    Raises:
        CohortError: When `source` is neither a folder nor a file.
    """
    if source.is_file():
        return "csv"
    if not source.is_dir():
        raise CohortError(f"a cohort is a folder or a CSV; {shown(source)} is neither; mend its path")
    if any((source / name).is_dir() for name in NNUNET_FOLDERS):
        return "nnunet"
    return "bids" if is_bids(source) else "tree"


def _search(source: Path, layout: Layout, out: Path) -> Iterable[CohortCase | Failure]:
    if layout == "csv":
        return listed_cases(source)
    if layout == "bids":
        return bids_cases(source)
    if layout == "nnunet":
        return _nnunet_cases(source)
    search = {"autopet": autopet_cases, "dicom": dicom_cases}.get(layout, tree_cases)
    return search(source, out)


def _nnunet_cases(source: Path) -> Iterator[CohortCase]:
    for name in NNUNET_FOLDERS:
        for pair in nnunet_pairs(source / name):
            yield CohortCase(pair.name, ct=pair.ct, pet=pair.pet)


def _with_clicks(found: Iterable[CohortCase | Failure], folder: Path | None) -> Iterator[CohortCase | Failure]:
    for one in found:
        if folder is None or isinstance(one, Failure) or one.sockets is not None or one.clicks is not None:
            yield one
        else:
            points = folder / f"{one.name}.json"
            yield replace(one, clicks=points) if points.is_file() else one
