# SPDX-License-Identifier: Apache-2.0
"""Folds that no patient crosses: whose study a case is, and who trains and who validates."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from petlesion.training.layouts import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AUTOPET_NAME = re.compile(r"(?:fdg|psma)_([^_]+)_.+", re.IGNORECASE)
"""autoPET's names of studies, `<tracer>_<patient>_<date>`; a patient may have several."""

Split = dict[str, list[str]]


def patient_of(name: str, given: Mapping[str, str]) -> str:
    """The patient of a case: as given, else from autoPET's form of names, else the case is a patient of its own."""
    if name in given:
        return given[name]
    found = AUTOPET_NAME.fullmatch(name)
    return found.group(1) if found else name


def read_patients(path: Path) -> dict[str, str]:
    """The patient of each case, from a JSON object {case: patient} or a CSV file with the columns case and patient.

    Raises:
        DataError: When the file is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return {str(case): str(patient) for case, patient in dict(json.loads(text)).items()}
        return {row["case"]: row["patient"] for row in csv.DictReader(text.splitlines())}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"patients stand in a JSON object {{case: patient}} or in a CSV file with the columns case and patient; "
            f"{path} cannot be read so: {error}"
        ) from error


def split_by_patient(patients: Mapping[str, str], n_folds: int, seed: int) -> list[Split]:
    """nnU-Net's splits: for each fold the cases that it trains on ("train") and those that it leaves out ("val").

    All cases of a patient are left out by the same fold, and each case by exactly one. Patients come in an order drawn
    from `seed`, each into the fold that has the fewest cases so far.

    Args:
        patients: The patient of each case.
        n_folds: Number of folds, two at least.
        seed: Of the order.

    Raises:
        DataError: When there are fewer patients than folds.
    """
    counts = Counter(patients.values())
    if not 2 <= n_folds <= len(counts):
        raise DataError(
            f"folds are split by patient, so there are 2 of them at least and as many patients as folds; got {n_folds} "
            f"folds for {len(counts)} patients ({len(patients)} cases); give --folds, or more patients"
        )
    sizes, fold_of = [0] * n_folds, {}
    for i in np.random.default_rng(seed).permutation(len(counts)):
        patient = sorted(counts)[i]
        fold_of[patient] = min(range(n_folds), key=lambda fold: (sizes[fold], fold))
        sizes[fold_of[patient]] += counts[patient]
    cases = sorted(patients)
    return [
        {
            "train": [case for case in cases if fold_of[patients[case]] != fold],
            "val": [case for case in cases if fold_of[patients[case]] == fold],
        }
        for fold in range(n_folds)
    ]
