# SPDX-License-Identifier: Apache-2.0
"""How much tracer each organ of a synthetic patient takes up, and how dense it is: tables drawn from percentiles."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.phantom.organs import Organ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from petlesion.case import Tracer

TABLE = Path(__file__).resolve().parents[2] / "resources" / "phantom.json"
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Which quantiles the five percentiles of a distribution are."""


@functools.cache
def parameters() -> Mapping[str, Any]:
    """The phantom's parameters, `resources/phantom.json`, with the source of each.

    Raises:
        OSError: When the file is not beside the package.
    """
    table: Mapping[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def quantile(percentiles: Sequence[float], level: float, *, tails: bool = False) -> float:
    """Value of a distribution at a level in (0, 1), given its 5, 25, 50, 75 and 95 % points; linear in the logarithm.

    Beyond the outer points it stays at them, or goes on along the outer slopes where `tails` is set.
    """
    points = np.log(np.maximum(percentiles, 1e-6))
    value = float(np.interp(level, LEVELS, points))
    if tails and level < LEVELS[0]:
        value = points[0] + (level - LEVELS[0]) / (LEVELS[1] - LEVELS[0]) * (points[1] - points[0]) * 4
    if tails and level > LEVELS[-1]:
        value = points[-1] + (level - LEVELS[-1]) / (LEVELS[-1] - LEVELS[-2]) * (points[-1] - points[-2]) * 2
    return float(np.exp(value)) if percentiles[-1] > 0 else 0.0


def draw_uptake(tracer: Tracer, rng: np.random.Generator) -> NDArray[np.float32]:
    """One patient's mean SUV for each `Organ`, shape (len(Organ),).

    Half of the variation is shared by all organs but the bladder and urine: heavy patients are hotter throughout.
    """
    table = parameters()["uptake_suv"][tracer]
    shared = rng.normal()
    uptake = np.zeros(len(Organ), dtype=np.float32)
    for organ in Organ:
        own = rng.normal()
        link = 0.0 if organ in {Organ.BLADDER, Organ.URINE, Organ.COLON, Organ.MYOCARDIUM} else 0.5
        level = normal_level(link * shared + np.sqrt(1 - link * link) * own)
        uptake[organ] = quantile(table[organ.name]["percentiles"], level)
    return uptake


def normal_level(score: float) -> float:
    """Probability that a standard normal number lies below `score`."""
    return 0.5 * (1 + math.erf(float(score) / 2**0.5))


def texture() -> NDArray[np.float32]:
    """Standard deviation of the logarithm of the uptake within each `Organ`, shape (len(Organ),)."""
    table = parameters()["pet_texture"]
    return np.array([table[o.name] for o in Organ], dtype=np.float32)


def density_hu() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and texture of each `Organ` on CT in HU, each of shape (len(Organ),)."""
    table = parameters()["ct"]
    pairs = np.array([(table[o.name]["hu"], table[o.name]["texture_hu"]) for o in Organ], dtype=np.float32)
    return pairs[:, 0], pairs[:, 1]
