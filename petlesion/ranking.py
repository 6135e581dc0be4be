# SPDX-License-Identifier: Apache-2.0
"""Ranks of several systems by the rules of autoPET III, IV and V.

A metric is averaged over the cases of each subset (tracer x centre), without those where it is undefined. The systems
are ranked by this mean in each subset, their ranks averaged over the subsets, and the averages of the metrics weighted
(autoPET III, "Updated Ranking", https://autopet-iii.grand-challenge.org/evaluation-and-ranking/). Equals share the
mean of their ranks. A subset in which a metric is undefined for every case has no part in that metric.

The script of autoPET V gives a healthy study Dice 1 where the prediction is empty and 0 where it is not; here, as in
III and IV, it has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import rankdata

from petlesion.metrics import MetricError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Challenge = Literal["III", "IV", "V"]
Means = dict[str, dict[str, float]]
"""Mean of each metric in each subset: {subset: {metric: mean}}."""

HIGHER_IS_BETTER = {"dice": True, "f1": True, "fpv_ml": False, "fnv_ml": False}

WEIGHTS: dict[Challenge, dict[str, float]] = {
    "III": {"dice": 0.5, "fpv_ml": 0.25, "fnv_ml": 0.25},
    "IV": {
        "dice": 0.25,
        "fpv_ml": 0.125,
        "fnv_ml": 0.125,
        "auc_dice": 0.25,
        "auc_fpv_ml": 0.125,
        "auc_fnv_ml": 0.125,
    },
    "V": {"auc_dice": 0.5, "auc_f1": 0.5},
}
"""Weight of each metric's rank; plain names are scores at the last step, auc_ ones areas over the steps."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One system's place.

    Attributes:
        system: Its name.
        place: Its rank by `value`; equals share the mean of their ranks.
        value: Weighted mean of its ranks; 1 is the best there can be.
        ranks: Its rank in each metric, averaged over the subsets.
    """

    system: str
    place: float
    value: float
    ranks: dict[str, float]


def rank_systems(systems: Mapping[str, Means], challenge: Challenge) -> tuple[Rank, ...]:
    """Rank systems, the best first; of equals, the one given first.

    Args:
        systems: Means of each system; all of them must be of the same cases.
        challenge: Whose rules.

    Raises:
        MetricError: When a metric is not there, the subsets differ, or a mean is undefined for some systems only.
    """
    weights = WEIGHTS[challenge]
    ranks = {metric: mean_ranks(_table(systems, metric), higher_is_better=_higher(metric)) for metric in weights}
    values = np.array([[weights[metric] * float(of[i]) for metric, of in ranks.items()] for i in range(len(systems))])
    totals = values.sum(axis=1).round(12)  # equals stay equal whatever the order of their summands makes of them
    found = [
        Rank(name, float(place), float(total), {metric: float(of[i]) for metric, of in ranks.items()})
        for i, (name, place, total) in enumerate(zip(systems, rankdata(totals), totals, strict=True))
    ]
    return tuple(sorted(found, key=lambda one: one.place))


def mean_ranks(means: NDArray[np.float64], *, higher_is_better: bool) -> NDArray[np.float64]:
    """Mean over the subsets of each system's rank: (systems, subsets) -> (systems,).

    Subsets whose means are NaN for every system are left out.

    Raises:
        MetricError: When a mean is NaN for some systems only, or for all of them in every subset.
    """
    undefined = np.isnan(means)
    if (undefined.any(axis=0) & ~undefined.all(axis=0)).any():
        raise MetricError("systems are ranked by the same cases; a mean is undefined for some of them only")
    defined = means[:, ~undefined.all(axis=0)]
    if not defined.size:
        raise MetricError("a rank needs one defined mean or more; there is no subset with one: add cases with lesions")
    ranks: NDArray[np.float64] = rankdata(-defined if higher_is_better else defined, axis=0).mean(axis=1)
    return ranks


def _higher(metric: str) -> bool:
    return HIGHER_IS_BETTER[metric.removeprefix("auc_")]


def _table(systems: Mapping[str, Means], metric: str) -> NDArray[np.float64]:
    """Means of one metric, (systems, subsets)."""
    subsets = list(next(iter(systems.values()), {}))
    for name, means in systems.items():
        if set(means) != set(subsets):
            raise MetricError(f"systems are ranked over the same subsets; {name} has {sorted(means)}, not {subsets}")
        if lacking := [subset for subset in subsets if metric not in means[subset]]:
            raise MetricError(f"the rank needs {metric}; {name} lacks it in {lacking[0]}: evaluate it with --steps")
    return np.array([[means[subset][metric] for subset in subsets] for means in systems.values()], np.float64)
