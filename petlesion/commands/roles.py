# SPDX-License-Identifier: Apache-2.0
"""Which roles a recipe has: what `--role` may be, once `--recipe` is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.limits import UsageError

if TYPE_CHECKING:
    from petlesion.recipe import Recipe

TRACER = "tracer"
ALL = "all"


def check_role(recipe: Recipe, role: str, *more: str) -> None:
    """Refuse a role that a recipe does not have.

    Args:
        recipe: The recipe; the network that tells tracers apart is a role where it decides which networks a case meets.
        role: What was asked for.
        more: Words that are taken beside the recipe's roles.

    Raises:
        UsageError: Names the roles.
    """
    own = [member.role for member in recipe.members()] + [TRACER] * recipe.routes_by_tracer
    roles = list(dict.fromkeys((*own, *more)))
    if role not in roles:
        raise UsageError(f"--role is a role of the recipe; {recipe.name} has {', '.join(roles)}; got {role}")
