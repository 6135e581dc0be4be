# SPDX-License-Identifier: Apache-2.0
"""Folders of predicted masks against folders of true ones: which files belong together, and what each pair scores.

A folder holds masks as `CASE.mha` (or .nii.gz, .nii, .nrrd), or as `CASE/truth.mha`, the layout of phantoms, and
`CASE/mask.mha` for predictions. The predictions of an interaction lie in `step_00`, `step_01`, ... below the folder,
each of them such a folder. Truth and prediction go together by the name of the case, and must share one grid.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from petlesion.case import CaseError
from petlesion.document import parse_document
from petlesion.images import OutputError, image_stem, image_suffix, read_image, reason, shown, staged
from petlesion.postprocess import RemoveSmall, each_alone
from petlesion.scores import CaseScores, Scores, score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.volume import Grid, Volume

Missing = Literal["refuse", "empty", "skip"]
Scored = tuple[tuple[int, Scores], ...]
"""Scores by a number."""

TRUTH, PREDICTION = "truth", "mask"
SUBSETS_BYTES = 10_000_000  # some 100,000 cases
STEP = re.compile(r"step_(\d+)")


class EvaluationError(CaseError):
    """Files that cannot be evaluated together. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class Subset:
    """Where a case comes from; empty where it is not known."""

    tracer: str = ""
    centre: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A case's files.

    Attributes:
        case: Its name.
        truth: The true mask.
        predictions: The predicted mask at each step; None where there is none.
        subset: Where the case comes from.
    """

    case: str
    truth: Path
    predictions: tuple[Path | None, ...]
    subset: Subset = Subset()


def find_masks(folder: Path, inner: str) -> dict[str, Path]:
    """The masks of a folder by the names of their cases, sorted: `CASE.mha`, or `CASE/<inner>.mha`.

    Raises:
        EvaluationError: When the folder is none, or has two masks of one case.
    """
    if not folder.is_dir():
        raise EvaluationError(f"masks lie in a folder; {shown(folder)} is none: check the path")
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        files, case = [entry] if image_suffix(entry) else [], image_stem(entry)
        if entry.is_dir():
            files, case = sorted(path for path in entry.iterdir() if image_stem(path) == inner), entry.name
        for path in filter(image_suffix, files):
            if case in found:
                raise EvaluationError(f"a case has one mask; {case} has {shown(found[case])} and {path.name}: move one")
            found[case] = path
    return dict(sorted(found.items()))


def find_pairs(truth: Path, predictions: Path, *, steps: bool = False, missing: Missing = "refuse") -> list[Pair]:
    """The cases of a folder of true masks, sorted by name, each with its predictions.

    Args:
        truth: Folder of the true masks.
        predictions: Folder of the predicted masks, or of their steps.
        steps: Whether `predictions` holds `step_00`, `step_01`, ...
        missing: What is done with a case that has no prediction at one step or more: it is refused, the missing masks
            are taken as empty, or the case is left out.

    Raises:
        EvaluationError: When there is no case, a prediction has no truth, or one is missing and that is refused.
    """
    true = find_masks(truth, TRUTH)
    found = [find_masks(folder, PREDICTION) for folder in (_step_folders(predictions) if steps else [predictions])]
    if not true:
        raise EvaluationError(
            f"an evaluation needs true masks; {shown(truth)} has none: name the folder that holds them"
        )
    if alien := sorted(set().union(*found) - set(true)):
        raise EvaluationError(
            f"each prediction needs its truth by the same name; {_names(alien)} of {shown(predictions)} has none in "
            f"{shown(truth)}: rename or move it"
        )
    lacking = [case for case in true if any(case not in step for step in found)]
    if lacking and missing == "refuse":
        raise EvaluationError(
            f"each case needs its prediction{' at every step' * steps}; {_names(lacking)} has none in "
            f"{shown(predictions)}: predict it, or choose --missing empty or skip"
        )
    kept = [case for case in true if missing != "skip" or case not in lacking]
    if not kept:
        raise EvaluationError(f"an evaluation needs predictions; {shown(predictions)} has none of a case in truth")
    return [Pair(case, true[case], tuple(step.get(case) for step in found)) for case in kept]


def evaluate_pair(pair: Pair, thresholds: Sequence[int] = ()) -> CaseScores:
    """Read and score one case.

    Args:
        pair: Its files.
        thresholds: For each of these, the last step is scored once more without its 26-connected components of fewer
            voxels, whatever their SUV; with 0 the scores are the plain ones. No file is read again.

    Raises:
        ImageError: When a file cannot be read.
        EvaluationError: When one is no mask, or the grids differ.
    """
    truth = read_mask(pair.truth, "truth")
    inside, voxel_ml = truth.array_zyx, _voxel_ml(pair.truth, truth.grid)
    predicted, steps = np.zeros_like(inside), list[Scores]()
    for path in pair.predictions:
        predicted = np.zeros_like(inside) if path is None else _on_grid_of(truth, path)
        steps.append(score(predicted, inside, voxel_ml))
    return CaseScores(
        case=pair.case,
        steps=tuple(steps),
        tracer=pair.subset.tracer,
        centre=pair.subset.centre,
        missing_steps=tuple(k for k, path in enumerate(pair.predictions) if path is None),
        by_threshold=_by_threshold(predicted, truth, voxel_ml, thresholds),
    )


def read_mask(path: Path, what: str) -> Volume:
    """A mask as bool, (Z, Y, X): true where the file is not 0.

    Raises:
        ImageError: When the file cannot be read.
        EvaluationError: When it holds 0 and more than one other value: labels or probabilities are no mask.
    """
    volume = read_image(path, what)
    inside = volume.array_zyx != 0
    values = volume.array_zyx[inside]
    if values.size and (values != values[0]).any():  # NaN differs from itself
        raise EvaluationError(
            f"a mask holds 0 and one other value; the {what} {shown(path)} holds values from {values.min():g} to "
            f"{values.max():g}: make a mask of the lesions' label or of a threshold first"
        )
    return volume.with_array(inside)


def read_subsets(path: Path) -> dict[str, Subset]:
    """Tracer and centre of each case: a .csv with the columns case, tracer, centre, or JSON {case: {tracer, centre}}.

    Raises:
        EvaluationError: When it cannot be read or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            rows = {row["case"]: row for row in csv.DictReader(text.splitlines())}
        else:
            rows = dict(parse_document(text, SUBSETS_BYTES))
        return {case: Subset(str(row.get("tracer") or ""), str(row.get("centre") or "")) for case, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(
            "subsets are a .csv with the columns case, tracer, centre, or JSON {case: {tracer, centre}}; "
            f"{shown(path)} is not: {reason(error)}"
        ) from error


def in_subsets(pairs: Iterable[Pair], subsets: Mapping[str, Subset]) -> list[Pair]:
    """The pairs with their subsets.

    Raises:
        EvaluationError: When a case is in none.
    """
    found = list(pairs)
    if lacking := [pair.case for pair in found if pair.case not in subsets]:
        raise EvaluationError(f"each case needs its tracer and centre; {_names(lacking)} has none in --subsets: add it")
    return [Pair(pair.case, pair.truth, pair.predictions, subsets[pair.case]) for pair in found]


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows of the same keys as CSV, whole or not at all; None is an empty cell.

    Raises:
        OutputError: When it cannot be written.
    """
    try:
        with staged(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise OutputError(f"the table must be written; {shown(path)} was not: {reason(error)}") from error


def _step_folders(folder: Path) -> list[Path]:
    """The folders step_00, step_01, ... in the order of their numbers."""
    entries = folder.iterdir() if folder.is_dir() else ()
    found = sorted((int(match[1]), one) for one in entries if (match := STEP.fullmatch(one.name)) and one.is_dir())
    if len(found) < 2 or [number for number, _ in found] != list(range(len(found))):
        numbers = ", ".join(one.name for _, one in found) or "none"
        raise EvaluationError(
            f"the steps of an interaction are folders step_00, step_01, ... without a gap, two or more; "
            f"{shown(folder)} has {numbers}: add what is missing, or leave out --steps"
        )
    return [one for _, one in found]


def _on_grid_of(truth: Volume, path: Path) -> NDArray[np.bool_]:
    predicted = read_mask(path, "prediction")
    if not predicted.grid.same_as(truth.grid):
        raise EvaluationError(
            f"prediction and truth share one grid; {shown(path)} has {_described(predicted.grid)}, its truth "
            f"{_described(truth.grid)}: resample the prediction (nearest neighbour)"
        )
    return predicted.array_zyx


def _voxel_ml(path: Path, grid: Grid) -> float:
    """Volume of a voxel in ml, of a NIfTI's as the official evaluation has it, to the last digit.

    NIfTI headers hold spacings in single precision, and the challenges' script multiplies them in it.
    """
    if (image_suffix(path) or "").lower().startswith(".nii"):
        return float(np.prod(np.asarray(grid.spacing_mm, np.float32)) / 1000)
    return grid.voxel_ml


def _by_threshold(predicted: NDArray[np.bool_], truth: Volume, voxel_ml: float, thresholds: Sequence[int]) -> Scored:
    """Scores of a prediction without its components below each threshold in voxels."""
    if not thresholds:
        return ()
    rules = [RemoveSmall(below_voxels=threshold) for threshold in thresholds]
    left = each_alone(predicted, voxel_ml * 1000, rules)
    scores = [score(mask, truth.array_zyx, voxel_ml) for mask in left]
    return tuple(zip(thresholds, scores, strict=True))


def _described(grid: Grid) -> str:
    sizes, spacing, origin = (
        " x ".join(f"{n:g}" for n in of) for of in (grid.size_xyz, grid.spacing_mm, grid.origin_mm)
    )
    return f"{sizes} voxels of {spacing} mm from {origin} mm"


def _names(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
    return ", ".join(cases[:3]) + more
