# SPDX-License-Identifier: Apache-2.0
"""The published systems, one file each."""

from petlesion.recipe import Recipe
from petlesion.recipes.mesbah import MESBAH

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (MESBAH,)}

__all__ = ["MESBAH", "RECIPES"]
