# SPDX-License-Identifier: Apache-2.0
"""The published systems, one file each."""

from petlesion.recipe import Recipe
from petlesion.recipes.ahamed import AHAMED
from petlesion.recipes.alloula import ALLOULA
from petlesion.recipes.baseline import BASELINE
from petlesion.recipes.lesion_tracer import LESION_TRACER
from petlesion.recipes.mesbah import MESBAH
from petlesion.recipes.safdari import SAFDARI

SYSTEMS = (MESBAH, LESION_TRACER, AHAMED, ALLOULA, SAFDARI, BASELINE)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in SYSTEMS}

__all__ = ["AHAMED", "ALLOULA", "BASELINE", "LESION_TRACER", "MESBAH", "RECIPES", "SAFDARI"]
