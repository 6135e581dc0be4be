# SPDX-License-Identifier: Apache-2.0
"""Component rules as values: which connected components of a mask are not kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemoveSmall:
    """Remove 26-connected components below a size, whatever their uptake.

    Attributes:
        below_voxels: Components of fewer voxels are small; None where `below_mm3` says it.
        below_mm3: Components of a smaller volume are small; None where `below_voxels` says it.
    """

    below_voxels: int | None = None
    below_mm3: float | None = None


@dataclass(frozen=True, slots=True)
class RemoveSmallAndCold:
    """Remove 26-connected components that are below a size AND whose SUVmax is below a bound.

    Attributes:
        below_suv: Components with a smaller SUVmax are cold.
        below_voxels: Components of fewer voxels are small; None where `below_mm3` says it.
        below_mm3: Components of a smaller volume are small; None where `below_voxels` says it.
    """

    below_suv: float
    below_voxels: int | None = None
    below_mm3: float | None = None


ComponentRule = RemoveSmall | RemoveSmallAndCold
