# SPDX-License-Identifier: Apache-2.0
"""What an evaluation says of many cases: mean, spread, median and counts of every score, as strict JSON values.

An undefined figure is None, never NaN, and is counted: means are over the `n` cases in which a score is defined, and
`n_nan` says in how many it is not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.metrics import MATCHING_IOU, VOLUME_CLASSES_ML, MetricError
from petlesion.scores import AREA_METRICS, CLASS_NAMES, CaseScores, Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from petlesion.ranking import Means

FORMAT = "petlesion evaluation 1"
COUNTED = ("lesions_", "touched_")  # these are pooled over the cases, not averaged
Json = dict[str, Any]


def summarise(cases: Sequence[CaseScores]) -> Json:
    """Everything that an evaluation says, in a stable order; `json.dumps(..., allow_nan=False)` takes it.

    Args:
        cases: One or more, all of them with the same number of steps.

    Raises:
        MetricError: When there is no case, a name comes twice, or the numbers of steps differ.
    """
    counts = {len(case.steps) for case in cases}
    if len(counts) != 1 or len({case.case for case in cases}) != len(cases):
        raise MetricError(f"a summary is of different cases with the same steps; got {len(cases)} with {counts} steps")
    ordered = sorted(cases, key=lambda case: case.case)
    n_steps = counts.pop()
    return {
        "format": FORMAT,
        "rules": {"connectivity": 18, "iou": MATCHING_IOU, "volume_classes_ml": list(VOLUME_CLASSES_ML)},
        "n_cases": len(ordered),
        "n_steps": n_steps,
        "scored_as_empty": [case.case for case in ordered if case.missing_steps],
        **_figures(ordered),
        "steps": [_statistics(case.steps[k].figures() for case in ordered) for k in range(n_steps)],
        "thresholds": _thresholds(ordered),
        "subsets": {name: {"n_cases": len(of), **_figures(of)} for name, of in _subsets(ordered).items()},
        "cases": [_described(case) for case in ordered],
    }


def rows_of(cases: Iterable[CaseScores]) -> list[Json]:
    """The table by case: a row for each case and step, areas over the steps repeated in each row of a case.

    Where components below some sizes were removed, the column below_voxels says below which; it is None in the rows of
    the predictions as they are. The rows of a size come after a case's steps, are of the last step, and have no areas.
    """
    return [row for case in sorted(cases, key=lambda case: case.case) for row in _rows_of_case(case)]


def statistics(values: Iterable[float]) -> Json:
    """Mean, sample standard deviation, median, n and the number of undefined values.

    The first three are None where there is nothing to take them of; the deviation needs two values.
    """
    every = np.array(list(values), np.float64)
    some = every[~np.isnan(every)]
    return {
        "mean": float(some.mean()) if some.size else None,
        "sd": float(some.std(ddof=1)) if some.size > 1 else None,
        "median": float(np.median(some)) if some.size else None,
        "n": int(some.size),
        "n_nan": int(every.size - some.size),
    }


def means_for_ranks(summary: Mapping[str, Any]) -> Means:
    """The subsets' means of an evaluation, read back from its JSON, as `ranking.rank_systems` takes them.

    Raises:
        MetricError: When it is no such evaluation.
    """
    if summary.get("format") != FORMAT:
        raise MetricError(f"ranks are made of evaluations ({FORMAT!r}); got {summary.get('format')!r}: evaluate first")
    return {
        name: {metric: _number(of["mean"]) for metric, of in (subset["last"] | subset["areas"]).items()}
        for name, subset in summary["subsets"].items()
    }


def strict(figures: Mapping[str, float]) -> Json:
    """Figures with None for what is not finite."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _rows_of_case(case: CaseScores) -> Iterator[Json]:
    """The steps as they are, then the last one by threshold; all rows of an evaluation have the same keys."""
    areas, last = case.areas(), len(case.steps) - 1
    every = [(number, None, step) for number, step in enumerate(case.steps)]
    for step, bound, scores in [*every, *((last, bound, scores) for bound, scores in case.by_threshold)]:
        yield {
            "case": case.case,
            "tracer": case.tracer,
            "centre": case.centre,
            "step": step,
            **({"below_voxels": bound} if case.by_threshold else {}),
            **strict(scores.figures()),
            **(strict(areas) if bound is None else dict.fromkeys(areas)),
        }


def _figures(cases: Sequence[CaseScores]) -> Json:
    """Statistics at the last step, of the areas, and the recall by volume."""
    areas = [case.areas() for case in cases]
    return {
        "last": _statistics(case.last.figures() for case in cases),
        "areas": {name: statistics(of[name] for of in areas) for name in areas[0]},
        "recall": _recall([case.last for case in cases]),
    }


def _statistics(figures: Iterable[Mapping[str, float]]) -> Json:
    rows = list(figures)
    names = [name for name in rows[0] if not name.startswith(COUNTED)]
    return {name: statistics(row[name] for row in rows) for name in names}


def _recall(scores: Sequence[Scores]) -> Json:
    """Lesions of all cases in each volume class, and how many of them were touched."""
    there = np.array([one.lesions for one in scores]).sum(axis=0).tolist()
    found = np.array([one.lesions_touched for one in scores]).sum(axis=0).tolist()
    return {
        f"{name}_ml": {"lesions": n, "touched": k, "recall": k / n if n else None}
        for name, n, k in zip(CLASS_NAMES, there, found, strict=True)
    }


def _thresholds(cases: Sequence[CaseScores]) -> list[Json]:
    """Mean scores of the last step by the size in voxels below which components were removed.

    For Dice, FPV and FNV it is the layout of table 3 of Alloula et al. (autoPET II).
    """
    bounds = [bound for bound, _ in cases[0].by_threshold]
    return [
        {"below_voxels": bound}
        | {name: statistics(case.by_threshold[k][1].figures()[name] for case in cases) for name in AREA_METRICS}
        for k, bound in enumerate(bounds)
    ]


def _subsets(cases: Sequence[CaseScores]) -> dict[str, list[CaseScores]]:
    names = sorted({case.subset for case in cases})
    return {name: [case for case in cases if case.subset == name] for name in names}


def _described(case: CaseScores) -> Json:
    return {
        "case": case.case,
        "tracer": case.tracer,
        "centre": case.centre,
        "missing_steps": list(case.missing_steps),
        "areas": strict(case.areas()),
        "steps": [strict(step.figures()) for step in case.steps],
        "thresholds": [{"below_voxels": n} | strict(one.figures()) for n, one in case.by_threshold],
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value
