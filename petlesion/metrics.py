# SPDX-License-Identifier: Apache-2.0
"""Scores of a predicted mask against the truth, as the autoPET challenges define them: functions of arrays.

P is the prediction, G the truth. A score that has no meaning is NaN, never a convenient 0 or 1: where G is empty there
is no Dice, no false negative volume, no detection F1 and no relative volume error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from petlesion.components import Components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Counts = NDArray[np.intp]

MATCHING_IOU = 0.1
"""Two components match from this intersection over union (autoPET V)."""

VOLUME_CLASSES_ML = (0.5, 2.0, 10.0)
"""Bounds of the volume classes: below 0.5 ml, then from each bound to the next, and from 10 ml on."""


class MetricError(ValueError):
    """Arrays that cannot be compared, or scores that cannot be summed up."""


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Where the 18-connected components of a prediction and of the truth meet. Make it with `of`.

    Each mask is labelled once; whatever is asked afterwards costs no more than the number of components.

    Attributes:
        prediction_voxels: Voxels of each component of P, (N,).
        truth_voxels: Voxels of each component of G, (M,).
        pairs: Numbers (component of P, component of G) of those that share a voxel, (K, 2).
        shared_voxels: Voxels that each pair shares, (K,).
    """

    prediction_voxels: Counts
    truth_voxels: Counts
    pairs: Counts
    shared_voxels: Counts

    @classmethod
    def of(cls, prediction_zyx: Mask, truth_zyx: Mask) -> Overlap:
        """Label both masks, boolean, (Z, Y, X).

        Raises:
            MetricError: When the masks differ in shape or are not boolean.
        """
        _check(prediction_zyx, truth_zyx)
        predicted, true = (Components.of(mask, connectivity=18) for mask in (prediction_zyx, truth_zyx))
        # Both lists hold the voxels of P and G in array order, so that they go together without a common label map.
        of_p = predicted.labels[predicted.values(truth_zyx)]
        of_g = true.labels[true.values(prediction_zyx)]
        joint, shared = np.unique(of_p * max(true.count, 1) + of_g, return_counts=True)
        pairs = np.stack(np.divmod(joint, max(true.count, 1)), axis=1)
        return cls(predicted.sizes(), true.sizes(), pairs, shared)

    def touched_predictions(self) -> Mask:
        """Which components of P share a voxel with G, (N,)."""
        return _marked(self.pairs[:, 0], self.prediction_voxels.size)

    def touched_truths(self) -> Mask:
        """Which components of G share a voxel with P, (M,)."""
        return _marked(self.pairs[:, 1], self.truth_voxels.size)

    def matching_pairs(self, iou: float = MATCHING_IOU) -> Counts:
        """The pairs whose intersection over union is at least `iou`, (L, 2)."""
        both = self.prediction_voxels[self.pairs[:, 0]] + self.truth_voxels[self.pairs[:, 1]]
        return self.pairs[self.shared_voxels / (both - self.shared_voxels) >= iou]


@dataclass(frozen=True, slots=True)
class Detection:
    """Lesions found and missed.

    Attributes:
        tp: Components of G that match one of P or more.
        fp: Components of P that match none of G.
        fn: Components of G that match none of P.
    """

    tp: int
    fp: int
    fn: int

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN where G is empty."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp + self.fn else math.nan


def dice(prediction_zyx: Mask, truth_zyx: Mask) -> float:
    """Dice coefficient 2 |P and G| / (|P| + |G|) of two boolean masks, shape (Z, Y, X); NaN when G is empty.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    _check(prediction_zyx, truth_zyx)
    common = int(np.count_nonzero(prediction_zyx & truth_zyx))
    return dice_of_counts(int(np.count_nonzero(prediction_zyx)), int(np.count_nonzero(truth_zyx)), common)


def dice_of_counts(prediction: int, truth: int, common: int) -> float:
    """Dice coefficient of two masks with so many voxels, `common` of them shared; NaN when `truth` is 0."""
    return 2 * common / (prediction + truth) if truth else math.nan


def false_positive_ml(prediction_zyx: Mask, truth_zyx: Mask, voxel_ml: float) -> float:
    """Volume in ml of the 18-connected components of P that touch no voxel of G; 0 for an empty P.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    return false_positive_ml_of(Overlap.of(prediction_zyx, truth_zyx), voxel_ml)


def false_positive_ml_of(overlap: Overlap, voxel_ml: float) -> float:
    """As `false_positive_ml`, of masks labelled before."""
    return int(overlap.prediction_voxels[~overlap.touched_predictions()].sum()) * voxel_ml


def false_negative_ml(prediction_zyx: Mask, truth_zyx: Mask, voxel_ml: float) -> float:
    """Volume in ml of the 18-connected components of G that touch no voxel of P; NaN when G is empty.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    return false_negative_ml_of(Overlap.of(prediction_zyx, truth_zyx), voxel_ml)


def false_negative_ml_of(overlap: Overlap, voxel_ml: float) -> float:
    """As `false_negative_ml`, of masks labelled before."""
    if not overlap.truth_voxels.size:
        return math.nan
    return int(overlap.truth_voxels[~overlap.touched_truths()].sum()) * voxel_ml


def detection(overlap: Overlap, iou: float = MATCHING_IOU) -> Detection:
    """Lesions found and missed (autoPET V): components match where their intersection over union is at least `iou`.

    Matching is not one to one, so that no order and no tie has a part in it: one component of P that covers two
    lesions well enough finds both, and two that share a lesion are no false positives.
    """
    matched = overlap.matching_pairs(iou)
    tp = np.unique(matched[:, 1]).size
    fp = overlap.prediction_voxels.size - np.unique(matched[:, 0]).size
    return Detection(tp, fp, overlap.truth_voxels.size - tp)


def found_by_volume(
    overlap: Overlap, voxel_ml: float, bounds_ml: Sequence[float] = VOLUME_CLASSES_ML
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Components of G in each volume class, and how many of them P touches in one voxel or more.

    A class goes from its lower bound, inclusive, to the next; the first has none, the last has no upper one.
    """
    volumes_ml = overlap.truth_voxels * voxel_ml
    classes = np.searchsorted(np.asarray(bounds_ml), volumes_ml, side="right")
    there = np.bincount(classes, minlength=len(bounds_ml) + 1)
    found = np.bincount(classes[overlap.touched_truths()], minlength=len(bounds_ml) + 1)
    return tuple(there.tolist()), tuple(found.tolist())


def click_auc(scores: Sequence[float]) -> float:
    """Area under a score over the interaction's steps 0, 1, ..., by the trapezoidal rule: a constant s gives n s.

    With the 11 steps of autoPET IV n is 10, with the 6 of autoPET V it is 5. NaN where any step is NaN: Dice and its
    like are NaN at all steps of a case or at none, since the truth does not change.

    Raises:
        MetricError: When there are fewer than two steps.
    """
    if len(scores) < 2:
        raise MetricError(f"an area needs two steps or more; got {len(scores)}: evaluate without steps instead")
    return math.fsum((a + b) / 2 for a, b in pairwise(scores))


def _marked(numbers: Counts, count: int) -> Mask:
    marked = np.zeros(count, bool)
    marked[numbers] = True
    return marked


def _check(prediction_zyx: Mask, truth_zyx: Mask) -> None:
    if prediction_zyx.shape != truth_zyx.shape:
        raise MetricError(
            f"prediction and truth lie on one grid; got shapes {prediction_zyx.shape} and {truth_zyx.shape} (Z, Y, X); "
            "resample the prediction first"
        )
    if prediction_zyx.dtype != np.bool_ or truth_zyx.dtype != np.bool_:
        raise MetricError(
            f"masks are boolean; got {prediction_zyx.dtype} and {truth_zyx.dtype}: compare them with 0 first"
        )
