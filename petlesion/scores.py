# SPDX-License-Identifier: Apache-2.0
"""Scores: every figure of one predicted mask, and those of a case over the steps of an interaction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.metrics import (
    Detection,
    MetricError,
    Overlap,
    click_auc,
    detection,
    dice_of_counts,
    false_negative_ml_of,
    false_positive_ml_of,
    found_by_volume,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASS_NAMES = ("below_0.5", "0.5_to_2", "2_to_10", "10_up")
"""The volume classes in ml, between the bounds `metrics.VOLUME_CLASSES_ML`."""

AREA_METRICS = ("dice", "fpv_ml", "fnv_ml", "f1")
"""The scores whose area over the steps the challenges ask for."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One prediction against the truth. Make it with `score`.

    Attributes:
        dice: Dice coefficient; NaN where the truth is empty, as `fnv_ml`, `f1` and `volume_error_relative` are.
        fpv_ml: Volume of the predicted components that touch no lesion, in ml.
        fnv_ml: Volume of the lesions that no predicted voxel touches, in ml.
        detection: Lesions found and missed at an intersection over union of 0.1.
        truth_ml: Volume of the truth in ml.
        prediction_ml: Volume of the prediction in ml.
        lesions: True lesions in each of the volume classes `CLASS_NAMES`.
        lesions_touched: Those of them that the prediction touches.
    """

    dice: float
    fpv_ml: float
    fnv_ml: float
    detection: Detection
    truth_ml: float
    prediction_ml: float
    lesions: tuple[int, ...]
    lesions_touched: tuple[int, ...]

    @property
    def volume_error_ml(self) -> float:
        """Predicted minus true volume in ml."""
        return self.prediction_ml - self.truth_ml

    @property
    def volume_error_relative(self) -> float:
        """Predicted minus true volume, over the true volume; NaN where the truth is empty."""
        return self.volume_error_ml / self.truth_ml if self.truth_ml else math.nan

    def figures(self) -> dict[str, float]:
        """Every figure under its name in tables, in their order; counts are int."""
        return {
            "dice": self.dice,
            "fpv_ml": self.fpv_ml,
            "fnv_ml": self.fnv_ml,
            "f1": self.detection.f1,
            "tp": self.detection.tp,
            "fp": self.detection.fp,
            "fn": self.detection.fn,
            "truth_ml": self.truth_ml,
            "prediction_ml": self.prediction_ml,
            "volume_error_ml": self.volume_error_ml,
            "volume_error_relative": self.volume_error_relative,
            **{f"lesions_{name}_ml": n for name, n in zip(CLASS_NAMES, self.lesions, strict=True)},
            **{f"touched_{name}_ml": n for name, n in zip(CLASS_NAMES, self.lesions_touched, strict=True)},
        }


@dataclass(frozen=True, slots=True)
class CaseScores:
    """A case's scores at each step of the interaction; without an interaction there is one step.

    Attributes:
        case: Its name.
        steps: Scores of step 0, 1, ...; one or more.
        tracer: Its tracer, where it is known.
        centre: The centre that made it, where it is known.
        missing_steps: Steps without a prediction, scored as an empty mask.
        by_threshold: Scores of the last step without its components of fewer voxels than a threshold, for some of them.

    Raises:
        MetricError: When there is no step.
    """

    case: str
    steps: tuple[Scores, ...]
    tracer: str = ""
    centre: str = ""
    missing_steps: tuple[int, ...] = ()
    by_threshold: tuple[tuple[int, Scores], ...] = ()

    def __post_init__(self) -> None:
        if not self.steps:
            raise MetricError(f"a case has one step or more; {self.case} has none: leave it out")

    @property
    def last(self) -> Scores:
        """Scores at the last step."""
        return self.steps[-1]

    @property
    def subset(self) -> str:
        """Tracer and centre as one name, "all" where neither is known."""
        return " ".join(part for part in (self.tracer, self.centre) if part) or "all"

    def areas(self) -> dict[str, float]:
        """Areas under `AREA_METRICS` over the steps, as auc_dice and so on; none where there is one step."""
        if len(self.steps) < 2:
            return {}
        figures = [step.figures() for step in self.steps]
        return {f"auc_{name}": click_auc([one[name] for one in figures]) for name in AREA_METRICS}


def score(prediction_zyx: NDArray[np.bool_], truth_zyx: NDArray[np.bool_], voxel_ml: float) -> Scores:
    """Every score of a prediction; each mask is labelled once.

    Args:
        prediction_zyx: P, boolean, (Z, Y, X).
        truth_zyx: G, boolean, of the same shape.
        voxel_ml: Volume of a voxel in ml.

    Raises:
        MetricError: When the masks differ in shape or are not boolean.
    """
    overlap = Overlap.of(prediction_zyx, truth_zyx)
    predicted, true = int(overlap.prediction_voxels.sum()), int(overlap.truth_voxels.sum())
    lesions, touched = found_by_volume(overlap, voxel_ml)
    return Scores(
        dice=dice_of_counts(predicted, true, int(overlap.shared_voxels.sum())),
        fpv_ml=false_positive_ml_of(overlap, voxel_ml),
        fnv_ml=false_negative_ml_of(overlap, voxel_ml),
        detection=detection(overlap),
        truth_ml=true * voxel_ml,
        prediction_ml=predicted * voxel_ml,
        lesions=lesions,
        lesions_touched=touched,
    )
