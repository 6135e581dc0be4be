# SPDX-License-Identifier: Apache-2.0
"""Data sets of the recipes whose networks are MONAI's: prepared cases, folds by patient, and masks of a first stage.

    OUT/dataset.json         recipe, seed, grid, cases (patient, tracer, files) and folds
    OUT/cases/<case>.npz     `MonaiCase`: where it is, the case is complete
    OUT/masks/<case>.npz     the first stage's mask for the second, with the fold that made it

All roles of a recipe share one data set, since its stages see one grid.
"""

from __future__ import annotations

import functools
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from petlesion.drafts import staged
from petlesion.training.layouts import DataError
from petlesion.training.monai_case import MonaiCase, mapped, prepare_case, stage_plans
from petlesion.training.splits import patient_of, split_by_patient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from petlesion.recipe import Recipe, Stage
    from petlesion.training.layouts import Study
    from petlesion.training.splits import Split

RECORD = "dataset.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class MonaiDataset:
    """A prepared data set.

    Attributes:
        root: Its folder.
        recipe_name: The recipe that it is for.
        patients: The patient of each case.
        folds: For each fold the cases that it trains on ("train") and those that it leaves out ("val").
    """

    root: Path
    recipe_name: str
    patients: Mapping[str, str]
    folds: Sequence[Split]

    @classmethod
    def open(cls, root: Path, recipe: Recipe) -> MonaiDataset:
        """The data set that `prepare_monai_dataset` made.

        Raises:
            DataError: When there is none, it is of another recipe or grid, or cases are not prepared yet.
        """
        path = root / RECORD
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            patients = {name: str(case["patient"]) for name, case in held["cases"].items()}
            found = cls(root, str(held["recipe"]), patients, held["splits"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} must be what petlesion prepare wrote ({error}); prepare the data set") from error
        if (found.recipe_name, held.get("grid")) != (recipe.name, _grid(recipe)):
            raise DataError(f"{root} was prepared for {found.recipe_name}, not for {recipe.name} and its present grid; "
                            "prepare another folder")  # fmt: skip
        if missing := [name for name in patients if not found.case_path(name).is_file()]:
            raise DataError(f"{len(missing)} cases of {root} are not prepared yet, {missing[0]} the first; "
                            "let petlesion prepare go on")  # fmt: skip
        return found

    def case_path(self, name: str) -> Path:
        """Where a prepared case lies."""
        return self.root / "cases" / f"{name}.npz"

    def mask_path(self, name: str) -> Path:
        """Where the first stage's mask of a case lies."""
        return self.root / "masks" / f"{name}.npz"

    def case(self, name: str) -> MonaiCase:
        """A prepared case, mapped from its file."""
        return MonaiCase.load(self.case_path(name))

    def is_healthy(self, name: str) -> bool:
        """Whether a case is without lesions."""
        return len(mapped(self.case_path(name), "spots")) == 0

    def mask(self, name: str) -> NDArray[np.uint8]:
        """The first stage's mask of a case, (X, Y, Z) of the networks' axes.

        Raises:
            DataError: When it was not made yet.
        """
        path = self.mask_path(name)
        if not path.is_file():
            raise DataError(
                f"the second stage learns from the first one's masks; that of {name} is missing ({path}); make them "
                f"with petlesion train --recipe {self.recipe_name} --masks"
            )
        return mapped(path, "mask")

    def cases_of(self, fold: int, *, with_healthy: bool = True) -> Split:
        """The cases of a fold, "train" and "val"; healthy ones are never validated on, as their Dice is not defined.

        Raises:
            DataError: When there is no such fold, or none is left to train or to validate on.
        """
        if not 0 <= fold < len(self.folds):
            raise DataError(f"{self.root} has the folds 0 to {len(self.folds) - 1}, not {fold}; choose among them")
        split = {
            part: [
                name
                for name in self.folds[fold][part]
                if (with_healthy and part == "train") or not self.is_healthy(name)
            ]
            for part in ("train", "val")
        }
        if empty := [part for part, names in split.items() if not names]:
            raise DataError(f"fold {fold} of {self.root} has no case with lesions in {empty}; add studies, or take "
                            "fewer folds")  # fmt: skip
        return split


def prepare_monai_dataset(  # noqa: PLR0913 - what a data set follows from, each by name
    studies: Sequence[Study],
    out: Path,
    recipe: Recipe,
    *,
    patients: Mapping[str, str] | None = None,
    n_folds: int = 5,
    seed: int = 0,
    workers: int = 1,
) -> MonaiDataset:
    """Prepare a data set; cases that an earlier run has finished are kept.

    Args:
        studies: As `layouts.find_studies` gives them.
        out: Its folder.
        recipe: One whose networks are MONAI's.
        patients: The patient of a case where its name does not say it.
        n_folds: Folds of the cross-validation.
        seed: Of the folds.
        workers: Processes that prepare studies.

    Raises:
        DataError: When a study cannot be used, or `out` holds a data set of others.
    """
    owners = {study.name: patient_of(study.name, patients or {}) for study in studies}
    stage = _first(recipe)
    _keep_record(out / RECORD, {
        "petlesion_monai_dataset": FORMAT,
        "recipe": recipe.name,
        "seed": seed,
        "grid": _grid(recipe),
        "cases": {study.name: _described(study, owners[study.name]) for study in studies},
        "splits": split_by_patient(owners, n_folds, seed),
    })  # fmt: skip
    todo = [study for study in studies if not (out / "cases" / f"{study.name}.npz").is_file()]
    prepare = functools.partial(_prepare, folder=out / "cases", stage=stage)
    if workers <= 1:
        for study in todo:
            prepare(study)
    else:
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(prepare, todo))
    return MonaiDataset.open(out, recipe)


def _prepare(study: Study, folder: Path, stage: Stage) -> None:
    prepare_case(study, stage).save(folder / f"{study.name}.npz")


def _first(recipe: Recipe) -> Stage:
    """The first stage, whose grid is that of all.

    Raises:
        DataError: When the recipe's networks are not MONAI's, or its stages see different grids.
    """
    grids = {replace(stage.grid, channels=()) if stage.grid else None for stage in recipe.stages}
    if len(grids) != 1 or None in grids:
        raise DataError(f"stages of MONAI's networks on one grid are prepared so; those of {recipe.name} are not")
    return recipe.stages[0]


def _grid(recipe: Recipe) -> Any:  # noqa: ANN401 - JSON
    """What a prepared case depends on, as JSON has it."""
    return json.loads(json.dumps(stage_plans(_first(recipe)).document()["grid"]))


def _described(study: Study, patient: str) -> dict[str, object]:
    files = [[path.stat().st_size, path.stat().st_mtime_ns] for path in (study.ct, study.pet, study.truth)]
    return {"patient": patient, "tracer": study.tracer, "files": files}


def _keep_record(path: Path, record: dict[str, Any]) -> None:
    """Write the record, or hold it against that of an earlier run."""
    record = json.loads(json.dumps(record))
    if path.exists():
        held = json.loads(path.read_text(encoding="utf-8"))
        if changed := [key for key in record if held.get(key) != record[key]]:
            raise DataError(f"a data set is prepared as a whole; {path.parent} was prepared with others: "
                            f"{', '.join(changed)}; remove it, or give another --out")  # fmt: skip
        return
    with staged(path) as draft:
        draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
