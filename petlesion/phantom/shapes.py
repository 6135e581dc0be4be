# SPDX-License-Identifier: Apache-2.0
"""Implicit shapes and smooth noise: what a synthetic body is made of.

A shape is a function of position, roughly the signed distance to its surface: negative inside, in millimetres.
Positions are millimetres of a reference body (x to the patient's left, y to the back, z to the head).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from petlesion.volume import Triple

Field = NDArray[np.float32]
Matrix = NDArray[np.float64]
Box = tuple[Triple, Triple]

# Standard deviation of a cubic B-spline sum over a lattice of unit normals: sqrt(151 / 315) for each of three axes.
LATTICE_SD = (151 / 315) ** 1.5
BEYOND_MM = 1000.0


class Shape(Protocol):
    """Something with an inside."""

    def box_mm(self) -> Box:
        """Lowest and highest corner of a box that holds the shape, in mm."""

    def distance_mm(self, x: Field, y: Field, z: Field) -> Field:
        """About the signed distance to the surface in mm, negative inside, at positions of one common shape."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid.

    Attributes:
        centre_mm: Its centre (x, y, z).
        radii_mm: Its semi-axes.
        turn: Rotation vector (x, y, z) in radians that carries the axes into the body.
    """

    centre_mm: Triple
    radii_mm: Triple
    turn: Triple = (0.0, 0.0, 0.0)

    def box_mm(self) -> Box:
        """Lowest and highest corner in mm."""
        reach = np.sqrt(((rotation(self.turn) * np.asarray(self.radii_mm)) ** 2).sum(axis=1))
        return _corners(np.asarray(self.centre_mm) - reach, np.asarray(self.centre_mm) + reach)

    def distance_mm(self, x: Field, y: Field, z: Field) -> Field:
        """Distance along the shortest semi-axis; exact for a sphere."""
        offsets = [p - np.float32(c) for p, c in zip((x, y, z), self.centre_mm, strict=True)]
        inward = (rotation(self.turn).T / np.asarray(self.radii_mm)[:, None]).astype(np.float32)
        square: Field = np.zeros_like(offsets[0])
        for row in inward:
            along = sum((w * p for w, p in zip(row, offsets, strict=True) if w != 0), np.float32(0))
            square += along * along
        np.sqrt(square, out=square)
        distance: Field = (square - np.float32(1)) * np.float32(min(self.radii_mm))
        return distance


@dataclass(frozen=True, slots=True)
class Chain:
    """Round cones strung along a line of points: vessels, bowel, long bones.

    Attributes:
        points_mm: At least two points (x, y, z).
        radii_mm: Radius at each point.
    """

    points_mm: tuple[Triple, ...]
    radii_mm: tuple[float, ...]

    def links(self) -> tuple[Chain, ...]:
        """The same chain, link by link, so that each link is evaluated in its own small box."""
        return tuple(Chain(self.points_mm[i : i + 2], self.radii_mm[i : i + 2]) for i in range(len(self.points_mm) - 1))

    def box_mm(self) -> Box:
        """Lowest and highest corner in mm."""
        points, radii = np.asarray(self.points_mm), np.asarray(self.radii_mm)[:, None]
        return _corners((points - radii).min(axis=0), (points + radii).max(axis=0))

    def distance_mm(self, x: Field, y: Field, z: Field) -> Field:
        """Distance to the nearest point of the line, less the radius there."""
        links = [self._link_distance(i, x, y, z) for i in range(len(self.points_mm) - 1)]
        nearest: Field = np.minimum.reduce(links)
        return nearest

    def _link_distance(self, i: int, x: Field, y: Field, z: Field) -> Field:
        start = np.asarray(self.points_mm[i], dtype=np.float32)
        way = np.asarray(self.points_mm[i + 1], dtype=np.float32) - start
        dx, dy, dz = x - start[0], y - start[1], z - start[2]
        part = (dx * way[0] + dy * way[1] + dz * way[2]) / np.float32(max(float(way @ way), 1e-6))
        np.clip(part, 0, 1, out=part)
        square = (dx - part * way[0]) ** 2 + (dy - part * way[1]) ** 2 + (dz - part * way[2]) ** 2
        np.sqrt(square, out=square)
        grow = np.float32(self.radii_mm[i + 1] - self.radii_mm[i])
        distance: Field = square - (np.float32(self.radii_mm[i]) + grow * part)
        return distance


@dataclass(frozen=True, slots=True)
class Trunk:
    """A stack of superellipses along z: head, neck, torso.

    Attributes:
        knots_mm: Rows (z, centre x, centre y, radius x, radius y) in rising z; between them, smooth interpolation.
        power: Exponent of the superellipse; 2 is an ellipse, more is squarer.
    """

    knots_mm: tuple[tuple[float, float, float, float, float], ...]
    power: float = 2.0

    def box_mm(self) -> Box:
        """Lowest and highest corner in mm."""
        z, cx, cy, rx, ry = np.asarray(self.knots_mm).T
        low = ((cx - rx).min(), (cy - ry).min(), z[0])
        return _corners(np.asarray(low), np.asarray([(cx + rx).max(), (cy + ry).max(), z[-1]]))

    def distance_mm(self, x: Field, y: Field, z: Field) -> Field:
        """Distance within the plane of constant z, along the shorter radius; the ends are cut, without a skin."""
        profile = self._profile()
        row = np.clip((z - np.float32(self.knots_mm[0][0])).astype(np.int32), 0, profile.shape[1] - 1)
        across = np.abs(x - profile[0][row]) / profile[2][row]
        deep = np.abs(y - profile[1][row]) / profile[3][row]
        radius = (across**self.power + deep**self.power) ** np.float32(1 / self.power)
        distance: Field = (radius - np.float32(1)) * np.minimum(profile[2], profile[3])[row]
        beyond = (z < np.float32(self.knots_mm[0][0])) | (z > np.float32(self.knots_mm[-1][0]))
        distance[beyond] = np.float32(BEYOND_MM)
        return distance

    def _profile(self) -> Field:
        """Centre x, centre y, radius x and radius y at every millimetre of z, shape (4, n)."""
        knots = np.asarray(self.knots_mm)
        z = np.arange(knots[0, 0], knots[-1, 0] + 1.0)
        part = np.interp(z, knots[:, 0], np.arange(len(knots)))
        below = np.clip(part.astype(int), 0, len(knots) - 2)
        ease = part - below
        ease = (0.5 * ease + 0.5 * ease * ease * (3 - 2 * ease))[:, None]
        profile: Field = (knots[below, 1:] * (1 - ease) + knots[below + 1, 1:] * ease).T.astype(np.float32)
        return profile


@dataclass(frozen=True, slots=True)
class Bands:
    """Slanting bands of a shell: ribs.

    Attributes:
        shell: The surface that carries them.
        thickness_mm: How deep below the surface they reach.
        pitch_mm: Distance from band to band along z.
        width_mm: Width of one band.
        slope: How much a band falls in z for each mm to the front.
    """

    shell: Ellipsoid
    thickness_mm: float
    pitch_mm: float
    width_mm: float
    slope: float = 0.35

    def box_mm(self) -> Box:
        """Lowest and highest corner in mm."""
        return self.shell.box_mm()

    def distance_mm(self, x: Field, y: Field, z: Field) -> Field:
        """The largest of the distances to the shell's two faces and to the band's middle plane."""
        outside = self.shell.distance_mm(x, y, z)
        phase = np.mod(z - np.float32(self.slope) * y, np.float32(self.pitch_mm)) - np.float32(self.pitch_mm / 2)
        band = np.abs(phase) - np.float32(self.width_mm / 2)
        distance: Field = np.maximum(np.maximum(outside, -outside - np.float32(self.thickness_mm)), band)
        return distance


def rotation(turn: Triple) -> Matrix:
    """The 3x3 matrix of a rotation vector in radians (Rodrigues)."""
    vector = np.asarray(turn, dtype=float)
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix: Matrix = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return matrix


class SmoothNoise:
    """Smooth random field of unit variance: cubic B-splines on a lattice of normal numbers.

    Args:
        extent_mm: Size (z, y, x) of the region in mm; positions run from 0 to it.
        pitch_mm: Distance of the lattice points, about the correlation length.
        rng: Source of the numbers.
    """

    __slots__ = ("_lattice", "_pitch_mm")

    def __init__(self, extent_mm: Triple, pitch_mm: float, rng: np.random.Generator) -> None:
        shape = tuple(int(np.ceil(e / pitch_mm)) + 4 for e in extent_mm)
        self._lattice = rng.standard_normal(shape, dtype=np.float32) / np.float32(LATTICE_SD)
        self._pitch_mm = pitch_mm

    def at(self, z_mm: Matrix, y_mm: Matrix, x_mm: Matrix) -> Field:
        """Values on the product of three axes: shape (len(z), len(y), len(x)), float32."""
        values = self._lattice
        for axis, positions in enumerate((z_mm, y_mm, x_mm)):
            weights, first = self._weights(positions / self._pitch_mm, values.shape[axis])
            part = np.take(values, range(first, first + weights.shape[1]), axis=axis)
            values = np.moveaxis(np.tensordot(part, weights, axes=(axis, 1)), -1, axis)
        return np.ascontiguousarray(values)

    @staticmethod
    def _weights(steps: Matrix, n: int) -> tuple[Field, int]:
        below = np.clip(np.floor(steps).astype(int), 0, n - 4)
        t = np.clip(steps - below, 0, 1)
        first = int(below.min())
        weights = np.zeros((len(steps), int(below.max()) - first + 4), dtype=np.float32)
        spline = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        for k, values in enumerate(spline):
            weights[np.arange(len(steps)), below - first + k] = values / 6
        return weights, first


def _corners(low: Matrix, high: Matrix) -> Box:
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))
