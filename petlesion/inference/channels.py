# SPDX-License-Identifier: Apache-2.0
"""A stage's input channels on the PET's grid, by the names that recipes give them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from petlesion.clicks import Clicks
from petlesion.inference.heatmap import click_heatmap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.recipe import Stage

CHANNELS = ("ct", "pet", "clicks", "tumor_clicks", "background_clicks", "mask")


def draw_channels(case: PetCtCase, stage: Stage, mask_zyx: NDArray[np.bool_]) -> tuple[NDArray[np.float32], ...]:
    """The channels in the stage's order, each float32, (Z, Y, X).

    Args:
        case: CT in HU, PET in SUV and clicks.
        stage: Its channels, and how clicks are drawn.
        mask_zyx: Answer of the stage before, bool, (Z, Y, X).

    Raises:
        ValueError: When a channel is none of `CHANNELS`, or shows clicks and the stage does not say how.
    """
    return tuple(_draw(name, case, stage, mask_zyx) for name in stage.channels)


def _draw(name: str, case: PetCtCase, stage: Stage, mask_zyx: NDArray[np.bool_]) -> NDArray[np.float32]:
    pet_suv, rule = case.pet_suv.array_zyx, stage.heatmap
    match name:
        case "ct":
            return case.ct_hu.array_zyx
        case "pet":
            return pet_suv
        case "mask":
            return mask_zyx.astype(np.float32)
        case "clicks" if rule is not None:
            return click_heatmap(case.clicks, pet_suv, rule)
        case "tumor_clicks" if rule is not None:
            return click_heatmap(Clicks(case.clicks.tumor_xyz), pet_suv, rule)
        case "background_clicks" if rule is not None:
            positive = replace(rule, background_only_sign=1)
            return click_heatmap(Clicks((), case.clicks.background_xyz), pet_suv, positive)
        case _:
            raise ValueError(f"a channel is one of {CHANNELS}, and clicks need a heatmap's rule; got {name!r}")
