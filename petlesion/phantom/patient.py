# SPDX-License-Identifier: Apache-2.0
"""A synthetic patient as a list of shapes, and the sketch in which the shapes are collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from petlesion.phantom.shapes import Chain, Ellipsoid, Shape

if TYPE_CHECKING:
    from petlesion.phantom.organs import Organ
    from petlesion.phantom.placement import Placement
    from petlesion.volume import Triple

Layers = tuple[tuple[float, "Organ"], ...]
"""Pairs (depth below a surface in mm, organ from there on), in rising depth."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A shape and what it is made of, from its surface inwards.

    Attributes:
        shape: The surface.
        layers: Pairs (depth below the surface in mm, organ), in rising depth.
        only_in: Organs that it may overwrite; None means all.
    """

    shape: Shape
    layers: Layers
    only_in: tuple[Organ, ...] | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """One patient.

    Attributes:
        structures: In the order in which they are painted; a later one overwrites an earlier one.
        placement: Where it lies in the world.
        girth: Width and depth of the trunk relative to the reference; the structures have it already.
    """

    structures: tuple[Structure, ...]
    placement: Placement
    girth: float


class Sketch:
    """A patient in the making: shapes are added around their reference size and place.

    Attributes:
        rng: Source of everything random.
        fat_mm: Thickness of the fat under the skin of the belly.
        girth: Width and depth of the trunk relative to the reference.
        made: The structures so far, in painting order.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.fat_mm = float(rng.gamma(3.0, 5.0) + 6)
        self.girth = float(np.clip(rng.normal(1.0, 0.08) + 0.004 * (self.fat_mm - 20), 0.82, 1.3))
        self.made: list[Structure] = []

    def near(self, sd: float, *point: float) -> Triple:
        """A point moved at random by a standard deviation in mm along each axis."""
        x, y, z = np.asarray(point) + self.rng.normal(0, sd, 3)
        return (float(x), float(y), float(z))

    def blob(self, organ: Organ, centre: Triple, radii: Triple, *, turn: float = 0.0, vary: float = 0.08) -> None:
        """Add one ellipsoid of an organ, of random size, place and tilt."""
        self.add(self.ellipsoid(centre, radii, turn=turn, vary=vary), ((0.0, organ),))

    def ellipsoid(self, centre: Triple, radii: Triple, *, turn: float = 0.0, vary: float = 0.08) -> Ellipsoid:
        """An ellipsoid of random size (standard deviation `vary` of the logarithm), place and tilt about y."""
        size = np.asarray(radii) * np.exp(self.rng.normal(0, vary, 3))
        place = self.near(min(4.0, 0.15 * min(radii)), *centre)
        tilt = self.rng.normal(0, 0.08, 3)
        turned = (float(tilt[0]), float(tilt[1] + turn), float(tilt[2]))
        return Ellipsoid(place, (float(size[0]), float(size[1]), float(size[2])), turned)

    def tube(self, organ: Organ, points: tuple[Triple, ...], radius: float, *, wander: float = 2.0) -> None:
        """Add a tube of an organ along points, each moved at random."""
        moved = tuple(self.near(wander, *p) for p in points)
        radii = tuple(float(radius * np.exp(self.rng.normal(0, 0.1))) for _ in points)
        for link in Chain(moved, radii).links():
            self.add(link, ((0.0, organ),))

    def add(self, shape: Shape, layers: Layers, only_in: tuple[Organ, ...] | None = None) -> None:
        """Add a structure of given layers."""
        self.made.append(Structure(shape, layers, only_in))
