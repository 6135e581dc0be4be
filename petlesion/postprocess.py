# SPDX-License-Identifier: Apache-2.0
"""Component rules as values: which connected components of a mask are not kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from petlesion.components import Components

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RemoveSmall:
    """Remove 26-connected components below a size, whatever their uptake.

    Attributes:
        below_voxels: Components of fewer voxels are small; None where `below_mm3` says it.
        below_mm3: Components of a smaller volume are small; None where `below_voxels` says it.

    Raises:
        ValueError: Unless exactly one of the two bounds is set.
    """

    below_voxels: int | None = None
    below_mm3: float | None = None

    def __post_init__(self) -> None:
        _check_one_bound(self.below_voxels, self.below_mm3)


@dataclass(frozen=True, slots=True)
class RemoveSmallAndCold:
    """Remove 26-connected components that are below a size AND whose SUVmax is below a bound.

    Attributes:
        below_suv: Components with a smaller SUVmax are cold.
        below_voxels: Components of fewer voxels are small; None where `below_mm3` says it.
        below_mm3: Components of a smaller volume are small; None where `below_voxels` says it.

    Raises:
        ValueError: Unless exactly one of the two bounds of size is set.
    """

    below_suv: float
    below_voxels: int | None = None
    below_mm3: float | None = None

    def __post_init__(self) -> None:
        _check_one_bound(self.below_voxels, self.below_mm3)


ComponentRule = RemoveSmall | RemoveSmallAndCold


def apply_rules(
    mask_zyx: NDArray[np.bool_],
    pet_suv_zyx: NDArray[np.float32],
    voxel_mm3: float,
    rules: tuple[ComponentRule, ...],
) -> NDArray[np.bool_]:
    """Apply component rules, one after the other.

    Args:
        mask_zyx: Boolean mask, shape (Z, Y, X); left as it is.
        pet_suv_zyx: PET in SUV, same shape.
        voxel_mm3: Volume of a voxel in mm^3.
        rules: What is removed. A bound itself is not below the bound.

    Returns:
        What is left of the mask, boolean, shape (Z, Y, X).

    Raises:
        ValueError: When mask and PET differ in shape.
    """
    if mask_zyx.shape != pet_suv_zyx.shape:
        raise ValueError(f"mask and PET share one grid; got shapes {mask_zyx.shape} and {pet_suv_zyx.shape}")
    for rule in rules:
        mask_zyx = _without(mask_zyx, pet_suv_zyx, voxel_mm3, rule)
    return mask_zyx


def each_alone(
    mask_zyx: NDArray[np.bool_], voxel_mm3: float, rules: Iterable[RemoveSmall]
) -> Iterator[NDArray[np.bool_]]:
    """What each rule alone leaves of a mask, to compare rules; the mask is labelled once, however many there are.

    Args:
        mask_zyx: Boolean mask, shape (Z, Y, X); left as it is.
        voxel_mm3: Volume of a voxel in mm^3.
        rules: What is removed. A bound itself is not below the bound.

    Yields:
        For each rule what is left of the mask, boolean, shape (Z, Y, X).
    """
    parts = Components.of(mask_zyx, connectivity=26)
    sizes = parts.sizes()
    for rule in rules:
        yield _kept(mask_zyx, parts, ~_small(sizes, voxel_mm3, rule))


def _without(
    mask_zyx: NDArray[np.bool_], pet_suv_zyx: NDArray[np.float32], voxel_mm3: float, rule: ComponentRule
) -> NDArray[np.bool_]:
    parts = Components.of(mask_zyx, connectivity=26)
    removed = _small(parts.sizes(), voxel_mm3, rule)
    if isinstance(rule, RemoveSmallAndCold):
        removed &= parts.maxima(parts.values(pet_suv_zyx)) < rule.below_suv
    return _kept(mask_zyx, parts, ~removed)


def _kept(mask_zyx: NDArray[np.bool_], parts: Components, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The chosen components of a mask, (N,), shape (Z, Y, X)."""
    kept = np.zeros_like(mask_zyx)
    kept[parts.box][parts.inside_zyx] = chosen[parts.labels]
    return kept


def _small(sizes: NDArray[np.intp], voxel_mm3: float, rule: ComponentRule) -> NDArray[np.bool_]:
    if rule.below_voxels is not None:
        return sizes < rule.below_voxels
    return sizes * voxel_mm3 < (rule.below_mm3 or 0)


def _check_one_bound(below_voxels: int | None, below_mm3: float | None) -> None:
    if (below_voxels is None) == (below_mm3 is None):
        raise ValueError(
            "a component rule has one bound of size, in voxels or in mm^3; "
            f"got below_voxels={below_voxels} and below_mm3={below_mm3}"
        )
