# SPDX-License-Identifier: Apache-2.0
"""The library's verbs: read a case, segment it, write what was found. `petlesion` itself offers them by name.

    from petlesion import read_case, segment, write_mask, write_reports

    case = read_case("STUDY")                       # or read_case("ct.nii.gz", "pet.nii.gz", clicks="clicks.json")
    result = segment(case)
    write_mask(result.mask, "mask.nii.gz")
    write_reports(result, case, "reports")

Arrays are (Z, Y, X), points (x, y, z), CT in HU, PET in SUV by body weight, places in mm (LPS). Errors are those of the
command line: `CaseError`, `UsageError`, `WeightsError`, `OutOfLimitsError` and `OutputError`, each with rule, offence
and remedy in its text.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.case import Admission, CaseError
from petlesion.challenge import read_files
from petlesion.clicks import Clicks, admit_clicks
from petlesion.images import shown
from petlesion.images import write_mask as write_image_of_mask
from petlesion.limits import Limits, UsageError
from petlesion.read_options import ReadOptions
from petlesion.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from petlesion.case import PetCtCase
    from petlesion.inference.tile_memory import TileMemory
    from petlesion.inference.weights import ModelStore
    from petlesion.inference.workplace import Progress
    from petlesion.recipe import Recipe
    from petlesion.result import Result
    from petlesion.volume import Volume

    PathName = str | PathLike[str]

__all__ = ["read_case", "segment", "write_mask", "write_reports"]

LOG = logging.getLogger(__name__)


def read_case(
    images: PathName,
    pet: PathName | None = None,
    *,
    clicks: PathName | Clicks | None = None,
    name: str | None = None,
    options: ReadOptions | None = None,
) -> PetCtCase:
    """Read and admit one PET/CT: two image files, or the folder of a DICOM study.

    What had to be repaired or is doubtful (a CT on another grid, clicks outside, a dose in MBq) is logged as a warning,
    and kept in the case's `warnings`.

    Args:
        images: The CT in HU (.mha, .nii, .nii.gz, .nrrd) where `pet` is given; else the folder of a DICOM study, in
            which PET and CT are found and SUV is computed.
        pet: The PET in SUV by body weight, in a file of the same kinds. The CT is resampled to its grid.
        clicks: A file of clicks (`options.points_unit` is its unit), or clicks as voxel indices (x, y, z) of the PET.
        name: The case's name in reports (default: the CT file's stem; "case" for a study, whose own names are its
            patient's).
        options: How lenient the reading is; `options.dicom` supplies what DICOM headers lack, such as
            `ReadOptions(dicom=DicomWishes(weight_kg=72))`.

    Returns:
        CT and PET as float32 (Z, Y, X) on the PET's grid, and the clicks on it.

    Raises:
        CaseError: When the case cannot be segmented as it is: a file that is missing, damaged or no image, a PET that
            is not in SUV, images that do not overlap, a study whose series cannot be told apart, or a header that lacks
            what SUV needs (named by tag, and by the field of `DicomWishes` as its option).
    """
    admission = _admission(Path(images), None if pet is None else Path(pet), clicks, name, options or ReadOptions())
    for warning in admission.warnings:
        LOG.warning("warning: %s", warning)
    return replace(
        admission.case,
        name=name or admission.case.name,
        warnings=admission.warnings,
        origin=admission.origin,
    )


def segment(
    case: PetCtCase,
    store: ModelStore | PathName | None = None,
    *,
    recipe: Recipe | str = "mesbah",
    limits: Limits | None = None,
    observer: Callable[[Progress], None] = lambda _: None,
    memory: TileMemory | None = None,
) -> Result:
    """Segment the tumour lesions of a case.

    Args:
        case: From `read_case`. Another click makes another case: `dataclasses.replace(case, clicks=Clicks(...))`.
        store: The weights: a `ModelStore`, which may serve many cases, or the folder of one (default: /opt/ml/model
            where it holds a manifest, else model_weights beside the package).
        recipe: The published system, or its name as in `petlesion systems`.
        limits: Device, time, depth, folds, and the tracer where it is known. By default what the recipe says: a GPU
            where there is one, and for mesbah 900 seconds; `Limits(time_limit_s=math.inf)` for none.
        observer: Called after each tile with the progress.
        memory: Where answers of the networks are kept and found again over many calls, such as
            `petlesion.inference.tile_memory.MemoryTiles()`: with another click only the tiles that see it are computed.
            The mask is the same as without, bit for bit on a CPU.

    Returns:
        `mask` (uint8 of 0 and 1, `mask.array_zyx` of shape (Z, Y, X), `mask.grid` the PET's), `lesions` (volume in ml,
        SUV, TLG, centroid; the largest first), `tracer` with its votes, and what each ensemble did.

    Raises:
        UsageError: When there is no recipe of that name.
        WeightsError: When the store is missing, damaged, lacks what the recipe needs, or holds something else.
        PlansError: When the weights' plans ask for what is not supported.
        PlanError: When `limits` asks for folds that the weights lack.
        OutOfLimitsError: When time or memory ended before there was any mask; where there was one, `stopped` of the
            result says so.
    """
    from petlesion import pipeline  # noqa: PLC0415 - reading a case does without torch
    from petlesion.entry import check_recipe  # noqa: PLC0415
    from petlesion.inference.weights import ModelStore  # noqa: PLC0415

    chosen = _recipe(recipe)
    held = store if isinstance(store, ModelStore) else ModelStore.open(None if store is None else Path(store))
    check_recipe(held, chosen, limits or Limits())
    return pipeline.segment(case, held, limits, chosen, observer, memory=memory)


def write_mask(mask: Volume, path: PathName) -> None:
    """Write a mask as compressed uint8, whole or not at all; a former file there is replaced.

    Args:
        mask: bool, or uint8 of 0 and 1, (Z, Y, X), such as `result.mask`.
        path: A .mha, .nii, .nii.gz or .nrrd file; its folder is made.

    Raises:
        OutputError: When it cannot be written, or does not read back as it was given.
        ValueError: When the array is no mask.
    """
    write_image_of_mask(mask, Path(path))


def write_reports(result: Result, case: PetCtCase, folder: PathName) -> None:
    """Write report.json, lesions.csv and the page report.html into a folder, which is made.

    Args:
        result: From `segment`.
        case: The case that it is of: its name, its warnings, and the images of the page.
        folder: Where they go; former ones are replaced.

    Raises:
        OutputError: When one of them cannot be written.
    """
    from petlesion.page.drawings import draw  # noqa: PLC0415 - what only a page is to pay
    from petlesion.page.folder import write_folder  # noqa: PLC0415
    from petlesion.report import report_of  # noqa: PLC0415

    doubts = result.tracer.doubts if result.tracer else ()
    system = result.stages[0].model.system
    report = report_of(result, case_name=case.name, recipe_name=system, warnings=(*case.warnings, *doubts))
    report |= {"dicom": case.origin} if case.origin else {}
    write_folder(Path(folder), report, draw(case.pet_suv, case.ct_hu, result.mask))


def _admission(
    images: Path, pet: Path | None, clicks: PathName | Clicks | None, name: str | None, options: ReadOptions
) -> Admission:
    """The case as `challenge` and `dicom` read it, with clicks that are given as values put on its grid."""
    given = clicks if isinstance(clicks, Clicks) else None
    file = Path(clicks) if clicks is not None and not isinstance(clicks, Clicks) else None
    if pet is not None:
        admission = read_files(images, pet, file, options)
    elif images.is_dir():
        from petlesion.dicom.cases import read_dicom_study  # noqa: PLC0415 - other cases do without pydicom

        admission = read_dicom_study(images, name or "case", file, options)
    else:
        raise CaseError(
            "a case is a CT file with a PET file, or the folder of a DICOM study; "
            f"{shown(images)} stands alone and is no folder: give the PET too"
        )
    if given is None:
        return admission
    admitted = admit_clicks(given, admission.case.grid)
    case = replace(admission.case, clicks=admitted.clicks)
    return replace(admission, case=case, warnings=admission.warnings + admitted.warnings)


def _recipe(recipe: Recipe | str) -> Recipe:
    if not isinstance(recipe, str):
        return recipe
    if recipe not in RECIPES:
        raise UsageError(f"a recipe is one of {', '.join(RECIPES)}; got {recipe!r}")
    return RECIPES[recipe]
